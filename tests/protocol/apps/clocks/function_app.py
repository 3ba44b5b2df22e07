"""A sample app of timer triggers: what each run was told goes to a file named in the environment."""

import json
import os
import time

import azure.functions as func

app = func.FunctionApp()
running = []


def write(name, timer, **more):
    line = {
        "name": name,
        "past_due": timer.past_due,
        "status": timer.schedule_status,
        "at": time.time(),
        **more,
    }
    with open(os.environ["CLOCKS_FILE"], "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
async def every_second(timer: func.TimerRequest) -> None:
    write("every_second", timer)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
def at_start(timer: func.TimerRequest) -> None:
    write("at_start", timer)


@app.timer_trigger(arg_name="timer", schedule="%DAILY%")
async def daily(timer: func.TimerRequest) -> None:
    write("daily", timer)


@app.timer_trigger(arg_name="timer", schedule="00:00:01")
def interval(timer: func.TimerRequest) -> None:
    write("interval", timer)


@app.timer_trigger(arg_name="tick", schedule="* * * * * *")
def slow_one(tick: func.TimerRequest) -> None:
    running.append(1)
    write("slow_one", tick, side_by_side=len(running))
    for _ in range(3):
        time.sleep(0.4)
    running.pop()


@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
async def fails(timer: func.TimerRequest) -> None:
    write("fails", timer)
    raise ValueError("a timer that fails")


@app.timer_trigger(arg_name="timer", schedule="0 0 0 30 2 *")
async def never(timer: func.TimerRequest) -> None:
    write("never", timer)


# Each is run at start, so that its status tells which occurrence the host finds next.
SCHEDULES = {
    "noon": "0 0 12 * * *",
    "five_fields": "30 6 * * *",
    "steps": "*/20 */15 * * * *",
    "lists_and_ranges": "0 0,30 9-17 * * *",
    "weekdays": "0 0 8 * * 1-5",
    "weekday_names": "0 0 8 * * Mon-Fri",
    "sunday": "0 0 0 * * 0",
    "friday_the_thirteenth": "0 0 0 13 * 5",
    "leap_day": "0 0 0 29 2 *",
    "month_name": "0 0 0 1 Jan *",
}


def add_schedule(name, schedule):
    async def scheduled(timer: func.TimerRequest) -> None:
        write(name, timer)

    scheduled.__name__ = f"schedule_{name}"
    app.timer_trigger(arg_name="timer", schedule=schedule, run_on_startup=True)(scheduled)


for schedule_name, schedule_text in SCHEDULES.items():
    add_schedule(schedule_name, schedule_text)
