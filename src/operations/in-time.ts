/** Answers for people who look: something soon rather than all of it late. */

/** What a promise gives, or `late` where it has not come within `waitMs`. It goes on, and what becomes of it then is nobody's. */
export async function inTime<T>(promise: Promise<T>, waitMs: number, late: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const wait = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(late), waitMs);
  });
  // Its failure after that is not unhandled: nobody wants it any more.
  promise.catch(() => {});
  try {
    return await Promise.race([promise, wait]);
  } finally {
    clearTimeout(timer);
  }
}
