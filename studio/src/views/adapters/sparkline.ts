/** A line of figures, small enough to stand beside its number. */

export interface Point {
  readonly x: number
  readonly y: number
}

/**
 * Where the values lie in a picture of this size, y downwards; the highest touches the top, zero the bottom.
 * @param inset left free on all sides, for the width of the line
 */
export function sparkline(values: readonly number[], width: number, height: number, inset = 1): Point[] {
  const most = Math.max(...values, 0)
  const step = (width - 2 * inset) / Math.max(1, values.length - 1)
  return values.map((value, i) => ({ x: inset + i * step, y: inset + (most === 0 ? 1 : 1 - value / most) * (height - 2 * inset) }))
}

/** As the `points` of an SVG polyline. */
export function pointsText(points: readonly Point[]): string {
  return points.map(({ x, y }) => `${rounded(x)},${rounded(y)}`).join(' ')
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
