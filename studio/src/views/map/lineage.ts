/** Who comes from whom on the map. */
import type { WireMap, WireMapArrow, WireMapPoint } from '../../../../src/server/routes/evaluations-wire.ts'

/** A measured model and how it came to be. */
export interface Standing extends WireMapPoint {
  /** Its nearest measured ancestor; undefined: the base, or where none was measured. */
  readonly parent: WireMapPoint | undefined
  readonly run: string | undefined
  readonly method: string | undefined
}

/** The base first, then each model after the one that it was made from, branch by branch: the order in which the map is walked. */
export function standingsOf({ points, arrows }: Pick<WireMap, 'points' | 'arrows'>): readonly Standing[] {
  const byModel = new Map(points.map((point) => [point.model, point]))
  const arrowTo = new Map(arrows.map((arrow) => [arrow.to, arrow]))
  const children = Map.groupBy(arrows, ({ from }) => from)
  const ordered = new Map<string, Standing>()

  const visit = (point: WireMapPoint): void => {
    if (ordered.has(point.model)) return
    const arrow = arrowTo.get(point.model)
    ordered.set(point.model, { ...point, parent: byModel.get(arrow?.from ?? ''), run: arrow?.run, method: arrow?.method })
    for (const { to } of children.get(point.model) ?? []) {
      const child = byModel.get(to)
      if (child !== undefined) visit(child)
    }
  }

  const roots = points.filter(({ model }) => !byModel.has(arrowTo.get(model)?.from ?? ''))
  for (const point of [...roots.filter(isBase), ...roots, ...points]) visit(point)
  return [...ordered.values()]
}

export function isBase({ adapter }: Pick<WireMapPoint, 'adapter'>): boolean {
  return adapter === null
}

/** Whether a run left both figures of its model where they were, as they are shown. */
export function stayed({ parent, correctness, preference }: Standing): boolean {
  const alike = (a: WireMapPoint['correctness'], b: WireMapPoint['correctness']): boolean => Math.abs(a.value - b.value) < 0.005
  return parent !== undefined && alike(parent.correctness, correctness) && alike(parent.preference, preference)
}

/** The model that the newest run made; ids of jobs grow with time. */
export function newestOf(arrows: readonly WireMapArrow[]): string | undefined {
  return arrows.toSorted((a, b) => (a.run < b.run ? -1 : 1)).at(-1)?.to
}

/** A model and all that it comes from. */
export function ancestryOf(model: string | undefined, standings: readonly Standing[]): ReadonlySet<string> {
  const byModel = new Map(standings.map((standing) => [standing.model, standing]))
  const ancestry = new Set<string>()
  for (let each = byModel.get(model ?? ''); each !== undefined && !ancestry.has(each.model); each = byModel.get(each.parent?.model ?? '')) {
    ancestry.add(each.model)
  }
  return ancestry
}

export type SortKey = 'model' | 'correctness' | 'preference'

export interface Sorting {
  readonly by: SortKey
  readonly down: boolean
}

const keys: readonly SortKey[] = ['model', 'correctness', 'preference']

/** As the address has it: `correctness`, or `-correctness` from the highest down. */
export function readSorting(text: string | null): Sorting | undefined {
  const by = keys.find((key) => key === text?.replace(/^-/, ''))
  return by && { by, down: text!.startsWith('-') }
}

/** The address after a column's head was pressed: figures begin with the highest, names with the first. */
export function nextSorting(key: SortKey, current: Sorting | undefined): string {
  const down = current?.by === key ? !current.down : key !== 'model'
  return `${down ? '-' : ''}${key}`
}

/** Without a sorting: as they come. */
export function sortStandings(standings: readonly Standing[], sorting: Sorting | undefined): readonly Standing[] {
  if (sorting === undefined) return standings
  const { by, down } = sorting
  const compare = (a: Standing, b: Standing): number =>
    by === 'model' ? a.model.localeCompare(b.model, 'en', { numeric: true }) : a[by].value - b[by].value
  return standings.toSorted((a, b) => (down ? compare(b, a) : compare(a, b)))
}

/** "SFT"; a reward model is no abbreviation. */
export function methodName(method: string): string {
  return method === 'reward' ? 'reward model' : method.toUpperCase()
}

/** "support-desk points here", "support-desk and beta point here" */
export function aliasWords(aliases: readonly string[]): string {
  const list = new Intl.ListFormat('en').format(aliases)
  return `${list} ${aliases.length === 1 ? 'points' : 'point'} here`
}
