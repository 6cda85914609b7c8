"""A task queue of Celery, with a worker in this process: `celery_tasks.py redis://127.0.0.1:6379`."""

import sys

import celery
import celery.contrib.testing.worker as testing
import redis

URL = sys.argv[1]
app = celery.Celery("tests", broker=URL + "/1", backend=URL + "/2")
app.conf.update(worker_hijack_root_logger=False, task_default_queue="mail", broker_connection_retry_on_startup=False)


@app.task
def add(a, b):
    return a + b


@app.task(bind=True, max_retries=1)
def flaky(self):
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    return "at last"


def main():
    redis.Redis.from_url(URL).flushall()
    waiting = add.apply_async((1, 2), priority=3)
    assert redis.Redis.from_url(URL + "/1").llen("mail\x06\x163") + redis.Redis.from_url(URL + "/1").llen("mail") == 1
    with testing.start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
        assert waiting.get(timeout=30) == 3
        assert flaky.delay().get(timeout=30) == "at last"
        # Each feeds the next, and a group is counted down by its members.
        assert celery.chain(add.s(1, 2), add.s(10))().get(timeout=30) == 13
        assert celery.group(add.s(n, n) for n in range(5))().get(timeout=30) == [0, 2, 4, 6, 8]
        assert app.control.ping(limit=1, timeout=30)[0]
        assert celery.chord((add.s(n, 1) for n in range(3)), total.s())().get(timeout=30) == 6
    print("ok")


@app.task
def total(numbers):
    return sum(numbers)


main()
