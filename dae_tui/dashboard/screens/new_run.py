"""A form that starts a training."""

import dataclasses

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Input, Select, Static

from dae_tui.dashboard.content.training_form import (
    CHECKED,
    CHOICES,
    DEVICES,
    LABELS,
    LEFT,
    PLACEHOLDERS,
    RIGHT,
    FieldError,
    defaults,
    no_noise,
    read_form,
    shown_command,
)
from dae_tui.dashboard.context import Failed, OpenRun, context_of
from dae_tui.dashboard.screens.dialogs.shown_command import ShownCommand
from dae_tui.dashboard.widgets.data_suggester import DataSuggester
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.key_bar import KeyBar
from dae_tui.errors import DaeError
from dae_tui.runs.detached_training import detach
from dae_tui.runs.folder.layout import new_run_name
from dae_tui.runs.folder.reader import Run
from dae_tui.spec.loss_spec import LOSS_KINDS
from dae_tui.spec.training_config import TrainingConfig
from dae_tui.system.printable import printable

# On these fields the defaults of the others depend.
DECIDING = ("network", "data", "supervision")


class Choice(Select[str], inherit_bindings=False):
    """A field with a few values. The arrow keys leave it, like every field of the form."""

    BINDINGS = [Binding("enter,space", "show_overlay", "choose", show=False)]


class NewRunScreen(Screen[None]):
    """Shows at once what is wrong, and keeps what was typed until the training has started."""

    TITLE = "the form of a new run"
    # With fewer columns than these, all fields are in one: beside each other only names had room.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (56, "-wide")]
    # With fewer lines, a mistake has those of the command.
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-high")]

    BINDINGS = [
        Binding("f5", "start", "start", key_display="F5", tooltip="Start the training"),
        Binding("f6", "copy", "copy the command", key_display="F6"),
        Binding("escape", "app.back", "back", key_display="esc"),
        Binding("f1", "app.keys", "help", key_display="F1", tooltip="These keys"),
        Binding("up", "app.focus_previous", "field before", show=False),
        Binding("down", "app.focus_next", "next field", show=False),
        # Outside a text field these keys would leave the form and lose what was typed.
        Binding("q,n,1,2,3,4,t,question_mark", "nothing", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.title = self.TITLE
        self._touched: set[str] = set()
        self._defaults = defaults("autoencoder", "mnist")
        self._read: tuple[TrainingConfig, str] | None = None
        self._starting = False
        self._left: Widget | None = None
        """The field that had the focus before a start."""

    def compose(self) -> ComposeResult:
        yield Heading("new run")
        with Horizontal(id="form"):
            for column in (LEFT, RIGHT):
                with Vertical(classes="column"):
                    for key, label in column.items():
                        with Horizontal(classes="field"):
                            yield Static(label, id=f"label-{key}", classes="label", markup=False)
                            yield self._field(key)
                    if column is RIGHT:
                        yield Button("Start", id="start", variant="primary", compact=True)
        yield Static(id="command", markup=False)
        yield Static(id="said", markup=False)
        yield KeyBar()

    def _field(self, key: str) -> Widget:
        value = self._defaults[key]
        if isinstance(value, bool):
            return Checkbox(Content(CHECKED[key]), value, id=key, compact=True)
        if key in CHOICES:
            options = [(choice, choice) for choice in CHOICES[key]]
            return Choice(options, value=value, allow_blank=False, id=key, compact=True)
        suggesters = {
            "data": DataSuggester(),
            "device": SuggestFromList(DEVICES),
            "loss": SuggestFromList(LOSS_KINDS),
        }
        return Input(
            value,
            placeholder=PLACEHOLDERS.get(key, value),
            id=key,
            compact=True,
            suggester=suggesters.get(key),
        )

    def on_mount(self) -> None:
        self._check()

    def values(self) -> dict[str, str | bool]:
        """What the fields hold."""
        return {key: self._field_value(key) for key in LABELS}

    def _field_value(self, key: str) -> str | bool:
        field = self.query_one(f"#{key}")
        if isinstance(field, Checkbox):
            return field.value
        return str(field.value) if isinstance(field, Input | Choice) else ""

    def on_input_changed(self, event: Input.Changed) -> None:
        self._change(str(event.input.id), event.value)

    def on_select_changed(self, event: Select.Changed) -> None:
        self._change(str(event.select.id), str(event.value))

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        self._change(str(event.checkbox.id), event.value)

    def on_input_submitted(self) -> None:
        self.focus_next()

    def on_button_pressed(self) -> None:
        self.action_start()

    def _change(self, key: str, value: str | bool) -> None:
        if value == "":
            self._touched.discard(key)
        elif value != self._defaults[key]:
            self._touched.add(key)
        if key in DECIDING:
            self._offer_defaults()
        self._check()

    def _offer_defaults(self) -> None:
        """Fill the untouched fields with the defaults for the network and the data."""
        values = self.values()
        before = self._defaults
        chosen = str(values["network"]), str(values["data"]).strip(), str(values["supervision"])
        self._defaults = defaults(*chosen)
        if self._defaults["loss"] != before["loss"]:
            # A loss of denoising is none of classifying, and the other way round.
            self._touched.discard("loss")
            before["loss"] = values["loss"]
        for key, value in self._defaults.items():
            field = self.query_one(f"#{key}")
            if isinstance(field, Input) and key not in PLACEHOLDERS and key != "data":
                field.placeholder = str(value) or no_noise(*chosen)
            # A field whose event is still to come has been touched too.
            touched = key in self._touched or values[key] not in ("", before[key])
            if touched or key in DECIDING:
                continue
            with self.prevent(Input.Changed, Select.Changed, Checkbox.Changed):
                field.value = value  # type: ignore[attr-defined]

    def _check(self) -> None:
        """Show what is wrong and where, or the command line that starts the same run."""
        faults: tuple[str, ...] = ()
        runs_dir = context_of(self).runs_dir
        try:
            self._read = read_form(self.values(), runs_dir)
        except FieldError as failure:
            self._read = None
            faults = failure.fields
            self._say(failure)
            self.query_one("#command", Static).update("")
        else:
            self._say(None)
            command = printable(shown_command(*self._read, runs_dir))
            self.query_one("#command", Static).update(Text(f"$ {command}"))
        for key, label in LABELS.items():
            bad = key in faults
            words = self.query_one(f"#label-{key}", Static)
            if words.has_class("-bad") != bad:
                words.set_class(bad, "-bad")
                words.update(f"! {label}" if bad else label)

    def _say(self, what: DaeError | str | None) -> None:
        said = self.query_one("#said", Static)
        said.set_class(isinstance(what, DaeError), "-bad")
        if isinstance(what, FieldError):
            said.update(Text("\n".join(map(_line, what.faults.values()))))
        elif isinstance(what, DaeError):
            said.update(Text(_line(what)))
        else:
            said.update(Text(what or ""))

    def action_nothing(self) -> None:
        """Letters belong to the fields."""

    def action_copy(self) -> None:
        """Copy the command line to the terminal's clipboard."""
        if self._read is None:
            self.notify("there is no command for this form yet", severity="warning", timeout=3)
            return
        command = shown_command(*self._read, context_of(self).runs_dir)
        # Whether it arrives, no terminal says: tmux by default drops it.
        self.app.copy_to_clipboard(command)
        self.app.push_screen(ShownCommand(command))

    def action_start(self) -> None:
        """Start the training, once."""
        if self._starting:
            return
        self._check()
        if self._read is None:
            self.query(".label.-bad").first().parent.query("Input, Choice").first().focus()  # type: ignore[union-attr]
            return
        config, name = self._read
        run = Run(context_of(self).runs_dir.resolve() / new_run_name(name or config.label))
        data_dir = str(context_of(self).data_dir.resolve())
        self._set_starting(True)
        self._start(run, dataclasses.replace(config, data_dir=data_dir))

    def _set_starting(self, starting: bool) -> None:
        self._starting = starting
        if starting:
            self._left = self.focused
            self._say("starting…")
        self.query_one("#form").disabled = starting
        if not starting and self._left is not None:
            self._left.focus()

    @work(thread=True, group="start")
    def _start(self, run: Run, config: TrainingConfig) -> None:
        app = self.app  # The form may have been left meanwhile.
        try:
            detach(run, config.as_json(), [])
        except DaeError as failure:
            app.call_from_thread(self._failed, app, failure)
        else:
            app.call_from_thread(app.call_next, self._started, app, run)

    def _failed(self, app: App[object], failure: DaeError) -> None:
        if not self.is_attached:
            app.post_message(Failed(failure))
            return
        self._set_starting(False)
        self._say(failure)

    async def _started(self, app: App[object], run: Run) -> None:
        if app.screen is not self:
            app.notify(printable(f"{run.name} has started"), markup=False)
            return
        app.pop_screen()
        app.post_message(OpenRun(run))


def _line(failure: DaeError) -> str:
    """An error and its hint in one line."""
    hint = " ".join(failure.hint.split())
    return f"{failure.message}: {hint}" if hint else failure.message
