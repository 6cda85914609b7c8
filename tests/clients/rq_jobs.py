"""A job queue of RQ, whose worker works in this process: `rq_jobs.py redis://127.0.0.1:6379`."""

import sys

import redis
import rq


def main():
    r = redis.Redis.from_url(sys.argv[1])
    r.flushall()
    queue = rq.Queue("mail", connection=r)
    jobs = [queue.enqueue("operator.add", n, 1) for n in range(3)]
    behind = queue.enqueue("operator.mul", 6, 7, depends_on=jobs[-1])
    broken = queue.enqueue("operator.truediv", 1, 0)
    assert queue.count == 4 and behind.get_status() == "deferred"
    rq.SimpleWorker([queue], connection=r).work(burst=True, logging_level="CRITICAL")
    assert [job.return_value(refresh=True) for job in jobs] == [1, 2, 3] and behind.return_value(refresh=True) == 42
    assert broken.get_status(refresh=True) == "failed" and "ZeroDivisionError" in broken.latest_result().exc_string
    assert len(queue.finished_job_registry) == 4 and len(queue.failed_job_registry) == 1 and queue.count == 0
    print("ok")


main()
