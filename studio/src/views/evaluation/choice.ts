/** Which two models are compared. */
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
