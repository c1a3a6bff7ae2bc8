import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { usualTiming } from "../../../src/store/registry/options.ts";
import { Watch } from "../../../src/store/registry/watch.ts";
import { bytesOf } from "../../support/registry-images.ts";

const signal = new AbortController().signal;
const timing = { ...usualTiming, stall: 20, answer: 20 };
const body = {
  size: 10,
  open: async function* () {
    yield bytesOf("body", 10);
  },
};

test("an exchange that is over is watched no more, even when its body ends later", async (t) => {
  const watch = new Watch(signal, timing, body);
  const outgoing = watch.outgoing();
  await outgoing.next();
  // The answer came with the last byte, before the end was asked for.
  watch.stop();
  await outgoing.next();
  await sleep(60);
  t.is(watch.stalled, undefined);
  t.false(watch.signal.aborted);
});

test("an answer that does not come is noticed", async (t) => {
  const watch = new Watch(signal, timing, body);
  for await (const _ of watch.outgoing());
  await sleep(60);
  t.is(watch.stalled, 20);
  t.true(watch.signal.aborted);
});
