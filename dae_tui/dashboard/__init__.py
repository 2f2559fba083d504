"""The Textual app: reads runs and devices, never trains. Trainings go on when it is closed."""
