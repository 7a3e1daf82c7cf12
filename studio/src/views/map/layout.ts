/** Where everything on the map stands, pixels. */
import { namesAmong } from '../../model-names.ts'
import { axisOver, positionOn, type Axis } from './axis.ts'
import { arrowBetween, loopAt, type Arrow, type Box, type Loop, type Spot } from './geometry.ts'
import { placeLabels, widthOf, type Label, type PlacedLabel } from './labels.ts'
import { aliasWords, isBase, methodName, type Standing } from './lineage.ts'

export interface MapLayout {
  /** Between the axes. */
  readonly plot: Box
  readonly correctness: Axis
  readonly preference: Axis
  readonly points: readonly PlacedPoint[]
  readonly arrows: readonly PlacedArrow[]
  /** Of runs that moved their model too little for an arrow. */
  readonly loops: readonly PlacedLoop[]
  x(value: number): number
  y(value: number): number
}

export interface PlacedPoint extends Spot {
  readonly standing: Standing
  readonly label: PlacedLabel | undefined
  /** The name, then who points here. */
  readonly lines: readonly string[]
}

export interface PlacedArrow extends Arrow {
  readonly to: Spot
  readonly model: string
  readonly run: string
  readonly label: (PlacedLabel & { readonly text: string }) | undefined
}

export interface PlacedLoop extends Loop {
  readonly model: string
  readonly run: string
}

/** Type sizes of names and of what is beside them, pixels. */
export const typeSizes = { name: 13, detail: 12 } as const
const lineHeight = 16
/** How far arrows and labels keep from a point. */
const clearance = 11
/** More arrows than this say no methods: the words would hide them. */
const crowd = 10
/** For more names there is no room on any screen. */
const mostNames = 80
/** Between the plot's edge and the outermost mark, so that a point on it is whole. */
const inset = 14

export interface LayoutOptions {
  readonly width: number
  readonly height: number
  /** The model whose label stands whatever it covers; the newest. */
  readonly foremost: string | undefined
}

export function layoutMap(standings: readonly Standing[], { width, height, foremost }: LayoutOptions): MapLayout {
  const plot: Box = { x: 46, y: 28, width: width - 46 - 10, height: height - 28 - 44 }
  const correctness = axisOver(standings.flatMap((each) => bounds(each.correctness)), { marks: plot.width < 420 ? 5 : 6 })
  const preference = axisOver(standings.flatMap((each) => bounds(each.preference)), { marks: 5 })
  const x = (value: number): number => positionOn(correctness, value, plot.x + inset, plot.x + plot.width - inset)
  const y = (value: number): number => positionOn(preference, value, plot.y + plot.height - inset, plot.y + inset)
  const spotOf = (standing: Pick<Standing, 'correctness' | 'preference'>): Spot => ({ x: x(standing.correctness.value), y: y(standing.preference.value) })

  const spots = standings.map(spotOf)
  const arrows = standings.flatMap((standing, i) => {
    const { parent, run, method = '' } = standing
    const arrow = parent && arrowBetween(spotOf(parent), spots[i]!, clearance)
    return arrow === undefined || run === undefined ? [] : [{ arrow, model: standing.model, run, text: methodName(method) }]
  })

  const loops = loopsOf(standings, spots, new Set(arrows.map(({ model }) => model)))

  const short = namesAmong(standings.map(({ model }) => model), width < 480 ? 14 : 24)
  const names = standings.map(({ model, aliases }) => [short.get(model)!, ...(aliases.length > 0 ? [aliasWords(aliases)] : [])])
  const order = standings.map((_, i) => i).toSorted((a, b) => rank(standings[a]!, foremost) - rank(standings[b]!, foremost)).slice(0, mostNames)
  const wishes = [
    ...order.map((i) => nameLabel(names[i]!, spots[i]!, rank(standings[i]!, foremost) < 3)),
    ...(arrows.length > crowd ? [] : arrows.map(({ arrow, text }) => methodLabel(text, arrow))),
  ]
  const marks = [...spots.map((spot) => ({ x: spot.x - 7, y: spot.y - 7, width: 14, height: 14 })), ...loops.map(({ box }) => box)]
  const crosses = standings.flatMap(({ correctness: c, preference: p }, i) => [
    { from: { ...spots[i]!, x: x(c.low) }, to: { ...spots[i]!, x: x(c.high) } }, { from: { ...spots[i]!, y: y(p.low) }, to: { ...spots[i]!, y: y(p.high) } },
  ])
  const placed = placeLabels(wishes, { bounds: { ...plot, y: plot.y - 4 }, marks, lines: arrows.map(({ arrow }) => arrow), faint: crosses })
  const labels = new Map(order.map((i, rank) => [i, placed[rank]]))

  return {
    plot, correctness, preference, x, y, loops,
    points: standings.map((standing, i) => ({ ...spots[i]!, standing, lines: names[i]!, label: labels.get(i) })),
    arrows: arrows.map(({ arrow, model, run, text }, i) => {
      const label = placed[order.length + i]
      return { ...arrow, model, run, label: label && { ...label, text } }
    }),
  }
}

/** Loops beside each other where several models stand in one place. */
function loopsOf(standings: readonly Standing[], spots: readonly Spot[], moved: ReadonlySet<string>): readonly PlacedLoop[] {
  const taken = new Map<string, number>()
  return standings.flatMap(({ model, run, parent }, i) => {
    if (run === undefined || parent === undefined || moved.has(model)) return []
    const spot = spots[i]!
    const place = `${Math.round(spot.x / clearance)} ${Math.round(spot.y / clearance)}`
    const before = taken.get(place) ?? 0
    taken.set(place, before + 1)
    return [{ ...loopAt(spot, before / 5), model, run }]
  })
}

function bounds({ value, low, high }: Standing['correctness']): readonly number[] {
  return [value, low, high]
}

/** Whose label is placed first: the model that is looked at, the base, what aliases point to, the others. */
function rank(standing: Standing, foremost: string | undefined): number {
  if (standing.model === foremost) return 0
  if (isBase(standing)) return 1
  return standing.aliases.length > 0 ? 2 : 3
}

function nameLabel([name = '', ...details]: readonly string[], at: Spot, needed: boolean): Label {
  const width = Math.max(widthOf(name, typeSizes.name), ...details.map((text) => widthOf(text, typeSizes.detail)))
  return { at, width, height: lineHeight * (1 + details.length), gap: clearance, needed }
}

function methodLabel(text: string, { from, to }: Arrow): Label {
  const at = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 }
  return { at, width: widthOf(text, typeSizes.detail), height: lineHeight, gap: 7, needed: false }
}

/** Where the text of a placed label begins: x of its anchor, y of its first baseline. */
export function textAnchor({ box, align }: PlacedLabel): Spot {
  const x = align === 'start' ? box.x : align === 'end' ? box.x + box.width : box.x + box.width / 2
  return { x, y: box.y + 12 }
}
