import { type Context, throwIfAborted } from "../../base/context.ts";

/**
 * Does `work` for every item, a few at a time and begun in order. The first failure stops the others,
 * waits until they have stopped, and is thrown.
 */
export async function inParallel<T>(
  context: Context,
  limit: number,
  items: readonly T[],
  work: (context: Context, item: T) => Promise<void>,
): Promise<void> {
  throwIfAborted(context.signal);
  const failed = new AbortController();
  const inner: Context = { ...context, signal: AbortSignal.any([context.signal, failed.signal]) };
  const errors: unknown[] = [];
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) {
      if (inner.signal.aborted) return;
      try {
        await work(inner, item);
      } catch (error) {
        errors.push(error);
        failed.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (errors.length > 0) throw errors[0];
  throwIfAborted(context.signal);
}
