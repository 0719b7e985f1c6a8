"""Executable specification of the control pilot and interlock.

The same rules as the native module, one small file per concern, in integers (mV, mA, ms, ohm) so that both can be
compared output by output. Each rule names its source: OE open_evse 8.2.3, SE SmartEVSE-3.5, WB Tinkerforge
evse-v2-bricklet, EV EVerest, Y Pionix yeti firmware; "ours" where none says anything.

Timers are instants, not counters: :meth:`PilotInterlock.tick` may be called every millisecond (native module, proofs)
or only when an input changes and at :meth:`PilotInterlock.next_deadline_ms` (virtual chargers), with equal results.
"""

from firmware.cp_pwm.specification.pilot_interlock import PilotInterlock
from firmware.cp_pwm.specification.signals import NO_PLUG_OHM, Board, Inputs, Outputs

__all__ = ["NO_PLUG_OHM", "Board", "Inputs", "Outputs", "PilotInterlock"]
