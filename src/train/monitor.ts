/** How fast a run goes, how long it has left, and how much memory it takes. */
import { readFileSync } from 'node:fs'

export interface Pace {
  /** Over the recent steps. A pause for an evaluation or a checkpoint does not count. */
  readonly tokensPerSecond: number
  /** Until the last step, at the recent steps' mean time. */
  readonly etaSeconds: number
}

export interface Monitor {
  /** Call at the end of each step, with the tokens that it trained on and the seconds that it took. */
  record(tokens: number, seconds: number): void
  /** Zero tokens a second and an endless wait before the first step. */
  pace(stepsLeft: number): Pace
}

/**
 * Watches the last `recent` steps. Their speed is the median weighted by tokens: one step that was slowed by
 * something else on the machine, or a short last batch, does not move it.
 */
export function createMonitor(recent = 20): Monitor {
  const steps: { tokens: number; seconds: number }[] = []
  return {
    record(tokens, seconds) {
      steps.push({ tokens, seconds })
      if (steps.length > recent) steps.shift()
    },
    pace(stepsLeft) {
      const seconds = steps.reduce((sum, step) => sum + step.seconds, 0)
      return {
        tokensPerSecond: weightedMedian(steps.map(({ tokens, seconds }) => ({ value: tokens / seconds, weight: tokens }))),
        etaSeconds: stepsLeft === 0 ? 0 : steps.length === 0 ? Infinity : (stepsLeft * seconds) / steps.length,
      }
    },
  }
}

function weightedMedian(items: readonly { value: number; weight: number }[]): number {
  const half = items.reduce((sum, { weight }) => sum + weight, 0) / 2
  let below = 0
  for (const { value, weight } of [...items].sort((a, b) => a.value - b.value)) {
    below += weight
    if (below >= half) return value
  }
  return 0
}

/** Peak resident memory of this process, MiB. */
export function peakMemoryMb(): number {
  return (linuxPeakKb() ?? process.resourceUsage().maxRSS) / 1024
}

/** Linux counts the process that forked this one into maxRSS, but not into VmHWM. */
function linuxPeakKb(): number | undefined {
  try {
    const kb = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    return kb === undefined ? undefined : Number(kb)
  } catch {
    return undefined
  }
}
