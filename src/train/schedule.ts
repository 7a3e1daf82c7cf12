/** The learning rate over a run, with the arithmetic of transformers' schedulers. */

/** `warmup` is the fraction of all steps over which the rate rises linearly from 0. */
export interface Schedule {
  readonly name: 'constant' | 'linear' | 'cosine'
  readonly warmup: number
}

/** Number of warm-up steps, w = ceil(warmup · steps). */
export function warmupSteps(schedule: Schedule, totalSteps: number): number {
  return Math.ceil(schedule.warmup * totalSteps)
}

/**
 * The factor on the peak learning rate at `step`, which counts from 0 to `totalSteps` - 1.
 *
 * Warm-up: step/w, so the first step of a warmed-up run moves nothing. After it: 1 (constant), a line to 0 at
 * `totalSteps` (linear), or half a cosine to 0 at `totalSteps` (cosine).
 */
export function scheduleFactor(schedule: Schedule, step: number, totalSteps: number): number {
  const warmup = warmupSteps(schedule, totalSteps)
  if (step < warmup) return step / warmup
  const left = Math.max(1, totalSteps - warmup)
  switch (schedule.name) {
    case 'constant':
      return 1
    case 'linear':
      return Math.max(0, (totalSteps - step) / left)
    case 'cosine':
      return Math.max(0, 0.5 * (1 + Math.cos((Math.PI * (step - warmup)) / left)))
  }
}
