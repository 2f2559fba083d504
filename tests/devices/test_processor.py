"""How busy the processor is, from looks at its times."""

import threading
from collections import namedtuple
from collections.abc import Sequence

import psutil
import pytest

from dae_tui.devices.processor import Processor
from dae_tui.devices.reading import Reading

Times = namedtuple("Times", "user system idle iowait guest guest_nice")


class FakeProcessor:
    """Sets what psutil sees: the seconds of each core, and the cores this process may use."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times: Sequence[Times] | Exception = []
        self.cores: list[int] = []
        monkeypatch.setattr(psutil, "cpu_times", self._cpu_times)
        monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda _: self.cores, raising=False)

    def _cpu_times(self, percpu: bool) -> Sequence[Times]:
        assert percpu
        if isinstance(self.times, Exception):
            raise self.times
        return self.times


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeProcessor:
    return FakeProcessor(monkeypatch)


def percent(reading: Reading) -> float:
    """The figure, where nothing says why there is none."""
    assert reading.reason == ""
    assert reading.value is not None
    return reading.value


def test_utilisation_is_busy_time_since_the_last_look(fake: FakeProcessor) -> None:
    fake.times = [Times(10, 0, 10, 0, 0, 0)]
    processor = Processor()
    fake.times = [Times(10.5, 0.25, 11, 0.25, 0, 0)]
    assert percent(processor.utilisation()) == pytest.approx(37.5)
    fake.times = [Times(11.5, 0.25, 12, 0.25, 0.8, 0)]  # Guest time is user time already.
    assert percent(processor.utilisation()) == pytest.approx(50)


def test_no_time_no_figure(fake: FakeProcessor) -> None:
    fake.times = [Times(10, 0, 10, 0, 0, 0)]
    processor = Processor()
    assert processor.utilisation() == Reading(None, "first reading")
    fake.times = [Times(11, 0, 13, 0, 0, 0)]
    assert percent(processor.utilisation()) == pytest.approx(25)


def test_only_cores_of_this_process_count(fake: FakeProcessor) -> None:
    idle, busy = Times(0, 0, 1, 0, 0, 0), Times(1, 0, 0, 0, 0, 0)
    fake.cores, fake.times = [1, 3], [Times(0, 0, 0, 0, 0, 0)] * 4
    processor = Processor()
    assert processor.count == 2
    fake.times = [busy, idle, busy, busy]
    assert percent(processor.utilisation()) == pytest.approx(50)


def test_a_container_that_numbers_its_cores_anew_counts_all(fake: FakeProcessor) -> None:
    fake.cores, fake.times = [40, 41], [Times(0, 0, 0, 0, 0, 0)] * 2
    processor = Processor()
    fake.times = [Times(1, 0, 0, 0, 0, 0), Times(1, 0, 2, 0, 0, 0)]
    assert percent(processor.utilisation()) == pytest.approx(50)


def test_times_that_cannot_be_read_say_so(fake: FakeProcessor) -> None:
    fake.times = FileNotFoundError("/proc/stat")
    processor = Processor()
    assert processor.utilisation() == Reading(None, "no CPU times: /proc/stat")
    fake.times = [Times(1, 0, 1, 0, 0, 0)]
    assert processor.utilisation() == Reading(None, "first reading")
    fake.times = [Times(2, 0, 2, 0, 0, 0)]
    assert percent(processor.utilisation()) == pytest.approx(50)


def test_a_look_from_another_thread_goes_on_from_the_last(fake: FakeProcessor) -> None:
    fake.times = [Times(0, 0, 0, 0, 0, 0)]
    processor = Processor()
    fake.times = [Times(3, 0, 1, 0, 0, 0)]
    found: list[Reading] = []
    thread = threading.Thread(target=lambda: found.append(processor.utilisation()))
    thread.start()
    thread.join()
    assert [percent(reading) for reading in found] == [pytest.approx(75)]


def test_this_processor_has_a_name_and_cores() -> None:
    processor = Processor()
    assert processor.name
    assert 1 <= processor.count <= (psutil.cpu_count() or 1)


def test_what_others_take_is_what_is_busy_and_not_our_own(
    fake: FakeProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.times = [Times(0, 0, 0, 0, 0, 0)] * 2
    monkeypatch.setattr("os.times", lambda: (90.0, 5.0, 4.0, 1.0, 0.0))
    processor = Processor()
    # In two seconds both cores were busy, 1.5 seconds of it for this process.
    fake.times = [Times(2, 0, 0, 0, 0, 0)] * 2
    # A child that it had started is its own.
    monkeypatch.setattr("os.times", lambda: (90.5, 5.0, 5.0, 1.0, 0.0))
    assert processor.taken_by_others() == pytest.approx(2.5 / 2)
    fake.times = OSError("no /proc")
    assert processor.taken_by_others() is None
