/** Boxes and lines of the map, pixels; y goes down. */

export interface Spot {
  readonly x: number
  readonly y: number
}

export interface Box extends Spot {
  readonly width: number
  readonly height: number
}

export interface Line {
  readonly from: Spot
  readonly to: Spot
}

/** The area that two boxes share. */
export function sharedArea(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y)
  return width > 0 && height > 0 ? width * height : 0
}

/** How much of a line lies in a box (Liang and Barsky's clipping). */
export function lengthWithin({ from, to }: Line, box: Box): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y]
  let [enter, leave] = [0, 1]
  const bounds: readonly (readonly [step: number, room: number])[] = [
    [-dx, from.x - box.x], [dx, box.x + box.width - from.x], [-dy, from.y - box.y], [dy, box.y + box.height - from.y],
  ]
  for (const [step, room] of bounds) {
    if (step === 0) {
      if (room < 0) return 0
    } else if (step < 0) {
      enter = Math.max(enter, room / step)
    } else {
      leave = Math.min(leave, room / step)
    }
  }
  return enter < leave ? (leave - enter) * Math.hypot(dx, dy) : 0
}

/** The part of `inner` that `outer` does not hold. */
export function areaOutside(inner: Box, outer: Box): number {
  return inner.width * inner.height - sharedArea(inner, outer)
}

export interface Reach {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

/** Four quarters of ellipses around a point that need not be in the middle, as an SVG path. */
export function roundArea({ x, y }: Spot, { left, right, top, bottom }: Reach): string {
  const quarter = (rx: number, ry: number, to: Spot): string => `A${rx} ${ry} 0 0 1 ${to.x} ${to.y}`
  return [
    `M${x} ${top}`, quarter(right - x, y - top, { x: right, y }), quarter(right - x, bottom - y, { x, y: bottom }),
    quarter(x - left, bottom - y, { x: left, y }), quarter(x - left, y - top, { x, y: top }), 'Z',
  ].join('')
}

export interface Arrow extends Line {
  /** Corners of its head, as SVG's `points`. */
  readonly head: string
}

export interface Loop {
  /** As an SVG path. */
  readonly path: string
  readonly head: string
  /** What it covers. */
  readonly box: Box
}

/** A small arrow out of a point and back to it. @param turn which way it leaves, of a whole turn: 0 is to the upper left */
export function loopAt({ x, y }: Spot, turn = 0): Loop {
  const [radius, distance] = [8, 14]
  const angle = (turn - 0.375) * 2 * Math.PI
  const [ux, uy] = [Math.cos(angle), Math.sin(angle)]
  const middle = { x: x + ux * distance, y: y + uy * distance }
  const around = (along: number, aside: number): Spot => ({ x: middle.x + ux * along - uy * aside, y: middle.y + uy * along + ux * aside })
  const [start, end] = [around(-4.5, -6.6), around(-2.5, 7.6)]
  const corners = [around(-8.5, 3), around(-0.5, 4.5), around(-4, 11)]
  return {
    path: `M${start.x.toFixed(1)} ${start.y.toFixed(1)}A${radius} ${radius} 0 1 1 ${end.x.toFixed(1)} ${end.y.toFixed(1)}`,
    head: corners.map((corner) => `${corner.x.toFixed(1)},${corner.y.toFixed(1)}`).join(' '),
    box: { x: middle.x - radius, y: middle.y - radius, width: 2 * radius, height: 2 * radius },
  }
}

/** An arrow that keeps off the points that it joins; undefined where they are too close for one. @param gap from their centres */
export function arrowBetween(from: Spot, to: Spot, gap: number, head = 9): Arrow | undefined {
  const length = Math.hypot(to.x - from.x, to.y - from.y)
  if (length < 2 * gap + head) return undefined
  const [ux, uy] = [(to.x - from.x) / length, (to.y - from.y) / length]
  const along = (distance: number, aside = 0): Spot => ({ x: from.x + ux * distance - uy * aside, y: from.y + uy * distance + ux * aside })
  const base = length - gap - head
  const corners = [along(length - gap), along(base, head * 0.45), along(base, -head * 0.45)]
  return { from: along(gap), to: along(base), head: corners.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ') }
}
