"use strict";
// A queue of BullMQ, with retries, delays and priorities: `bullmq.js redis://127.0.0.1:6379`. It ends with "ok" or an error.

const assert = require("node:assert/strict");
const { FlowProducer, Queue, QueueEvents, Worker } = require("bullmq");

async function main() {
  const { hostname: host, port } = new URL(process.argv[2]);
  const connection = { host, port: Number(port), maxRetriesPerRequest: null };
  const queue = new Queue("mail", { connection });
  await queue.obliterate({ force: true });
  const events = new QueueEvents("mail", { connection });
  await events.waitUntilReady();

  const done = [];
  let failures = 0;
  const work = async (job) => {
    if (job.name === "flaky" && failures++ === 0) throw new Error("try again");
    await job.updateProgress(50);
    done.push(job.name);
    return job.data.n * 2;
  };

  // The order of what lies ready: priorities first come after those without.
  await queue.addBulk([
    { name: "low", data: { n: 1 }, opts: { priority: 10 } },
    { name: "high", data: { n: 2 }, opts: { priority: 1 } },
    { name: "plain", data: { n: 3 } },
  ]);
  assert.deepEqual([await queue.getJobCountByTypes("waiting"), await queue.getJobCountByTypes("prioritized")], [1, 2]);
  const flaky = await queue.add("flaky", { n: 4 }, { attempts: 2, backoff: { type: "fixed", delay: 10 }, priority: 20 });
  const delayed = await queue.add("delayed", { n: 5 }, { delay: 50 });
  assert.equal(await delayed.getState(), "delayed");

  const worker = new Worker("mail", work, { connection, concurrency: 1 });
  assert.equal(await flaky.waitUntilFinished(events, 30000), 8);
  assert.equal(await delayed.waitUntilFinished(events, 30000), 10);
  assert.deepEqual(done.filter((name) => ["plain", "high", "low"].includes(name)), ["plain", "high", "low"]);
  const { completed, ...others } = await queue.getJobCounts();
  assert.deepEqual([completed, Object.values(others).reduce((sum, count) => sum + count)], [5, 0]);
  const again = await queue.getJob(flaky.id);
  assert.deepEqual([again.returnvalue, again.attemptsMade, again.progress], [8, 2, 50]);

  // A parent runs behind its children.
  const flow = new FlowProducer({ connection });
  const tree = await flow.add({
    name: "parent", queueName: "mail", data: { n: 7 },
    children: [{ name: "child", queueName: "mail", data: { n: 6 } }],
  });
  assert.equal(await tree.job.waitUntilFinished(events, 30000), 14);
  assert.deepEqual(done.slice(-2), ["child", "parent"]);

  await Promise.all([worker.close(), events.close(), flow.close()]);
  await queue.obliterate({ force: true });
  await queue.close();
  console.log("ok");
}

main();
