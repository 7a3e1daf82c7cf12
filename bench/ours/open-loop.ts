/** Latencies at a given rate of arrivals, which does not slow down when answers do. */

export interface Latencies {
  readonly count: number
  /** Milliseconds. */
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

/**
 * Sends at the times of a Poisson process of `rate` a second, whether or not answers have come. A latency counts from the
 * time at which an event was due, so a sender that is held up does not hide it ("coordinated omission").
 */
export async function openLoop(
  { rate, seconds, random = Math.random }: { readonly rate: number; readonly seconds: number; readonly random?: () => number },
  send: (index: number) => Promise<unknown>,
): Promise<Latencies> {
  const due: number[] = []
  for (let at = 0; at < seconds * 1000; at -= (Math.log(1 - random()) / rate) * 1000) due.push(at)
  const start = performance.now()
  const latencies: number[] = []
  const sent: Promise<void>[] = []
  for (const [index, at] of due.entries()) {
    const wait = start + at - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    sent.push(send(index).then(() => { latencies.push(performance.now() - start - at) }))
  }
  await Promise.all(sent)
  return latenciesOf(latencies)
}

export function latenciesOf(milliseconds: readonly number[]): Latencies {
  const sorted = milliseconds.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}
