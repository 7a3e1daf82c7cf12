/** Which two models are compared, and what lies between them. */
import type { WireMap, WireMapPoint } from '../../../../src/server/routes/evaluations-wire.ts'
import { newestOf, standingsOf } from '../map/lineage.ts'

export interface Choice {
  /** undefined: only one model was measured. */
  readonly before: WireMapPoint | undefined
  readonly after: WireMapPoint | undefined
}

/** The models that the address names, where they were measured; else the newest, and what it was made from. */
export function chooseModels(map: Pick<WireMap, 'points' | 'arrows'>, { before, after }: { readonly before: string | null; readonly after: string | null }): Choice {
  const standings = standingsOf(map)
  const find = (model: string | null | undefined): WireMapPoint | undefined => map.points.find((point) => point.model === model)
  const later = find(after) ?? find(newestOf(map.arrows.filter(({ to }) => to !== before))) 
    ?? standings.findLast(({ model }) => model !== before) ?? standings.at(-1)
  const parent = standings.find(({ model }) => model === later?.model)?.parent
  const earlier = find(before === later?.model ? null : before) ?? parent ?? standings.find(({ model }) => model !== later?.model)
  return { before: earlier, after: later }
}

export interface RunBetween {
  readonly model: string
  /** The job that made it. */
  readonly run: string
}

/** The runs that led from one model to the other, the first first; where the earlier is no ancestor, the one run that made the later. */
export function runsBetween(map: Pick<WireMap, 'points' | 'arrows'>, { before, after }: Choice): readonly RunBetween[] {
  const standings = new Map(standingsOf(map).map((standing) => [standing.model, standing]))
  const runs: RunBetween[] = []
  const seen = new Set<string>()
  let model = after?.model
  while (model !== undefined && model !== before?.model && !seen.has(model)) {
    seen.add(model)
    const { run, parent } = standings.get(model) ?? {}
    if (run !== undefined) runs.unshift({ model, run })
    model = parent?.model
  }
  return model === before?.model ? runs : runs.slice(-1)
}
