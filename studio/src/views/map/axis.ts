/** Round ranges for the map's axes, and the marks on them. */

export interface Axis {
  readonly low: number
  readonly high: number
  /** From `low` to `high`, equally far apart. */
  readonly ticks: readonly number[]
  /** With which the marks are written. */
  readonly decimals: number
}

export interface AxisOptions {
  /** The least that is shown, so that noise between equal models does not fill the picture. */
  readonly least?: number
  /** About how many marks. */
  readonly marks?: number
}

/**
 * The smallest range between round numbers that holds all values. Where all lie within 0 and 1, as shares and most rewards do, the
 * range stays there too.
 */
export function axisOver(values: readonly number[], { least = 0.2, marks = 5 }: AxisOptions = {}): Axis {
  const finite = values.filter(Number.isFinite)
  if (finite.length === 0) return axisOver([0, 1], { marks })
  const [low, high] = widened(Math.min(...finite), Math.max(...finite), least)
  const step = roundStep((high - low) / marks)
  const first = Math.floor(low / step + 1e-9)
  const last = Math.ceil(high / step - 1e-9)
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9))
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toFixed(decimals)))
  return { low: ticks[0]!, high: ticks.at(-1)!, ticks, decimals }
}

function widened(low: number, high: number, least: number): readonly [number, number] {
  const missing = least - (high - low)
  if (missing <= 0) return [low, high]
  const wide = [low - missing / 2, high + missing / 2] as const
  if (low < 0 || high > 1) return wide
  const shift = Math.max(0, -wide[0]) - Math.max(0, wide[1] - 1)
  return [wide[0] + shift, wide[1] + shift]
}

/** About the nearest of 1, 2, 5, 10, … times a power of ten. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step))
  const share = step / power
  return power * (share < 1.3 ? 1 : share < 3 ? 2 : share < 7 ? 5 : 10)
}

/** Where a value lies between `from` and `to`, pixels. */
export function positionOn({ low, high }: Axis, value: number, from: number, to: number): number {
  return from + ((value - low) / (high - low)) * (to - from)
}
