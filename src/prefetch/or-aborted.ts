/** The task's outcome, or the reason of `signal` as soon as that aborts; what becomes of the task then is of no interest. */
export async function orAborted<T>(task: Promise<T>, signal: AbortSignal): Promise<T> {
  task.catch(() => {});
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([task, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
