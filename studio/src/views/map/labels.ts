/** Where the map's labels stand: beside what they name, and on nothing else. */
import { areaOutside, lengthWithin, sharedArea, type Box, type Line, type Spot } from './geometry.ts'

export interface Label {
  /** What it names. */
  readonly at: Spot
  readonly width: number
  readonly height: number
  /** How far it keeps from there. */
  readonly gap: number
  /** Shown even where it covers something. */
  readonly needed: boolean
}

export interface PlacedLabel {
  readonly box: Box
  /** The edge that faces what it names: a text that is shorter than was thought begins or ends there. */
  readonly align: 'start' | 'middle' | 'end'
}

export interface Surroundings {
  readonly bounds: Box
  readonly marks: readonly Box[]
  readonly lines: readonly Line[]
  /** Lines that a label had better not lie on. */
  readonly faint?: readonly Line[]
}

/** From what it names to its own middle, in halves of its size: right of it first, then as calm as possible. */
const sides: readonly (readonly [right: number, down: number])[] = [
  [1, 0], [-1, 0], [0, -1], [0, 1], [1, -0.5], [1, 0.5], [-1, -0.5], [-1, 0.5], [1, -1], [1, 1], [-1, -1], [-1, 1], [0.5, -1], [0.5, 1], [-0.5, -1], [-0.5, 1],
]

/** What covering costs, by pixel of area, or of length: points tell most, lines can be followed under a word. */
const costs = { outside: 20, mark: 12, label: 12, line: 2, faint: 0.4 } as const

/** A label that costs more is rather left out. */
const tolerable = 60

/**
 * One after another, each where it covers least: first come, first served, so give the important ones first. Greedy, which is enough for
 * the dozens of models that a map has. @returns as many; undefined: there was no room
 */
export function placeLabels(labels: readonly Label[], surroundings: Surroundings): readonly (PlacedLabel | undefined)[] {
  const taken: Box[] = []
  return labels.map((label) => {
    let best: { readonly placed: PlacedLabel; readonly cost: number } | undefined
    for (const [rank, side] of sides.entries()) {
      const placed = placeAt(label, side)
      const cost = costOf(placed.box, surroundings, taken) + rank
      if (best === undefined || cost < best.cost) best = { placed, cost }
    }
    if (best === undefined || (!label.needed && best.cost > tolerable)) return undefined
    taken.push(best.placed.box)
    return best.placed
  })
}

function placeAt({ at, width, height, gap }: Label, [right, down]: readonly [number, number]): PlacedLabel {
  // A corner's label may come nearer: its own corner is all that does.
  const reach = Math.abs(right) === 1 && Math.abs(down) === 1 ? gap * 0.7 : gap
  const x = at.x + right * (reach + width / 2) - width / 2
  const y = at.y + down * (reach + height / 2) - height / 2
  return { box: { x, y, width, height }, align: right === 1 ? 'start' : right === -1 ? 'end' : 'middle' }
}

function costOf(box: Box, { bounds, marks, lines, faint = [] }: Surroundings, taken: readonly Box[]): number {
  let cost = costs.outside * areaOutside(box, bounds)
  for (const mark of marks) cost += costs.mark * sharedArea(box, mark)
  for (const other of taken) cost += costs.label * sharedArea(box, other)
  for (const line of lines) cost += costs.line * lengthWithin(line, box)
  for (const line of faint) cost += costs.faint * lengthWithin(line, box)
  return cost
}

/** About how wide a text is in the Studio's sans-serif type. @param size of the type, pixels */
export function widthOf(text: string, size: number): number {
  return text.length * size * 0.6 + 2
}
