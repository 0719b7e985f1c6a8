"""Executable specification of the control pilot and interlock.

The same rules as the native module, one small file per concern, in integers (mV, mA, ms, ohm, thousandths of a °C) so
that both can be compared output by output. Each rule names its source: OE open_evse 8.2.3, SE SmartEVSE-3.5, WB
Tinkerforge evse-v2-bricklet, EV EVerest, Y Pionix yeti firmware; "ours" where none says anything.

Timers are instants, not counters: :meth:`PilotInterlock.tick` may be called every millisecond (native module, proofs)
or only when an input changes and at :meth:`PilotInterlock.next_deadline_ms` (virtual chargers), with equal results.

Where each rule stands here, and the test that turns its input and looks at the output of both. In C a concern has the
same name after ``cp_``, but for cp_residual, cp_mirror (contactor), cp_emergency_stop and cp_ground (emergency).

=============================================  ================  =====================================================
rule                                           here              test
=============================================  ================  =====================================================
bands of the plateaus, hysteresis              levels            test_levels
debounce: A 25 ms, C 500 ms, else 250 ms       debounce          test_rules_of_debounce
amperes to duty, 51 A trap, no PWM below 6 A   duty              test_duty
raises every 5 s, decreases at once            duty              test_raises_wait_and_decreases_do_not
C to contactor closed within 3 s               interlock         test_closes_within_3_s_of_c
leaving C opens within 100 ms                  interlock         test_opens_within_100_ms_of_leaving_c
no PWM and still C: open after 6 s             interlock         test_a_car_that_does_not_stop_is_cut_off_after_6_s
closing again 5 s after C                      interlock         test_closes_again_after_5_s
closing again 30 s after D, E, F               interlock         test_d_and_e_are_refused_and_wait_30_s
simplified car is capped                       debounce          test_simplified_car_is_capped
diode before every first close, after A, D, E  diode             test_every_car_shows_its_diode_anew
diode lost opens                               diode             test_a_diode_lost_while_charging_opens
cable bands; no plug is no cable               proximity         test_cable_bands
shorted proximity is a fault                   proximity         test_a_shorted_proximity_contact_is_a_fault
D is refused until the car has gone            ventilation       test_ventilation_stays_refused_until_the_car_has_gone
residual current opens at once and latches     residual_current  test_residual_current_opens_at_once_and_latches
with the contactor open 50 ms of debounce      residual_current  test_with_the_contactor_open_noise_does_not_latch
a trip within 2 s of closing locks             residual_current  test_a_trip_within_2_s_of_closing_locks
self-test in A only, after each session        residual_current  test_tested_in_a_only_after_a_session
self-test every 24 h                           residual_current  test_comes_again_after_a_day
self-test at boot; failing locks               residual_current  test_a_device_that_fails_its_test_locks
contacts closed at boot lock                   contactor         test_contacts_that_are_closed_at_boot_lock
welded contacts lock                           contactor         test_welded_contacts_lock
contacts that do not close                     contactor         test_contacts_that_do_not_close_are_a_fault
65 °C half, 68 quarter, 71 nothing             derating          test_half_quarter_nothing
all again at 62 °C                             derating          test_all_is_given_back_at_62
temperature not known: a quarter               derating          test_a_temperature_that_nobody_renews_is_unknown
a silent app opens after 2 s                   heartbeat         test_a_hung_app_opens_after_2_s
emergency stop opens at once                   emergency         test_opens_at_once
earth lost opens                               emergency         test_opens_within_100_ms_and_latches
F is pulsed; unplugging is seen                state_f           test_whatever_the_car_does_is_seen_within_5_s
the pilot taken away only while harmless       disconnect        test_only_while_not_permitted_and_open
=============================================  ================  =====================================================

Where this differs from a source, on purpose: residual current with the contactor closed is not debounced and the
second after switching is looked at too (WB waits and looks away); nothing closes again by itself after it (OE does);
only raises of the duty wait 5 s (EV: every change); too hot ends the offer, so that the car opens the circuit without
load, and the contactor follows at the latest after 6 s; faults leave the pilot steady high rather than at F, since a
car that leaves is seen at once that way. Over current and voltage need the meter and are the application's.
"""

from firmware.cp_pwm.specification.pilot_interlock import PilotInterlock
from firmware.cp_pwm.specification.signals import NO_PLUG_OHM, Board, Inputs, Outputs

__all__ = ["NO_PLUG_OHM", "Board", "Inputs", "Outputs", "PilotInterlock"]
