"""What the screens say and ask, as plain values. Nothing here imports Textual."""
