/** The items of evaluations: prompts, answers and their grades, page by page, alone or beside another model's. */
import type { AnswerGrade, ItemGrades, ItemMessage } from '../evaluate/evaluation.ts'
import { compareItems, pairItems, type ItemComparison } from '../evaluate/evaluation-summary.ts'
import type { Row, Store } from '../store/index.ts'

/** A prompt under one model. */
export interface EvaluationItem {
  readonly position: number
  readonly reward: number | null
  readonly grades: readonly AnswerGrade[]
  /** null: a user's deletion has removed them. */
  readonly texts: { readonly prompt: readonly ItemMessage[]; readonly reference: string | null; readonly answers: readonly string[] } | null
}

/** A prompt under two models. */
export interface ComparedItem {
  readonly before: EvaluationItem
  readonly after: EvaluationItem
  /** null: one of them could not be graded. */
  readonly change: number | null
}

/** Items in an order, of which a page is taken. */
export interface ItemPage<Item> {
  readonly items: readonly Item[]
  readonly hasMore: boolean
  /** Of all pages. */
  readonly total: number
}

export interface ItemQuery {
  /** Position of the last item of the page before. */
  readonly after?: number | undefined
  readonly limit: number
}

export const itemOrders = ['position', 'worst', 'best'] as const
export type ItemOrder = (typeof itemOrders)[number]

export const changes = ['better', 'worse', 'same'] as const
export type Change = (typeof changes)[number]

export const comparisonOrders = ['position', 'change'] as const
export type ComparisonOrder = (typeof comparisonOrders)[number]

/** What orders and filters items: their numbers, without their texts. */
interface Place {
  readonly position: number
  readonly reward: number | null
}

export class EvaluationItems {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** The items of an evaluation. `worst` and `best`: those first; without a reward, last. */
  async list(id: string, { order = 'position', ...query }: ItemQuery & { readonly order?: ItemOrder | undefined }): Promise<ItemPage<EvaluationItem>> {
    const places = await this.#places(id)
    const worth = ({ reward }: Place): number => (reward === null ? Infinity : order === 'worst' ? reward : -reward)
    const ordered = order === 'position' ? places : places.toSorted((a, b) => worth(a) - worth(b) || a.position - b.position)
    const { items, ...rest } = pageAfter(ordered, query)
    return { ...rest, items: await this.#read(id, items.map(({ position }) => position)) }
  }

  /** The prompts that both have. `change`: the greatest first. */
  async listCompared(
    before: string, after: string,
    { which, order = 'change', ...query }: ItemQuery & { readonly which?: Change | undefined; readonly order?: ComparisonOrder | undefined },
  ): Promise<ItemPage<ComparedItem>> {
    const pairs = pairItems(await this.#places(before), await this.#places(after))
      .map((pair) => ({ position: pair.after.position, change: changeOf(pair.before, pair.after) }))
      .filter(({ change }) => which === undefined || directionOf(change) === which)
    const size = ({ change }: { readonly change: number | null }): number => (change === null ? -1 : Math.abs(change))
    const ordered = order === 'position' ? pairs : pairs.toSorted((a, b) => size(b) - size(a) || a.position - b.position)
    const { items, ...rest } = pageAfter(ordered, query)
    const positions = items.map(({ position }) => position)
    const [old, now] = [await this.#read(before, positions), await this.#read(after, positions)]
    return { ...rest, items: items.map(({ change }, i) => ({ before: old[i]!, after: now[i]!, change })) }
  }

  async compare(before: string, after: string): Promise<ItemComparison> {
    return compareItems(await this.#grades(before), await this.#grades(after))
  }

  /** Removes the texts of items whose rows were deleted; what they were worth remains. */
  async emptyDeleted(datasetIds: readonly string[]): Promise<void> {
    if (datasetIds.length > 0) await this.#store.write(emptyDeletedItems(this.#store, datasetIds))
  }

  async #places(id: string): Promise<Place[]> {
    return this.#store.db.selectFrom('evaluation_items').select(['position', 'reward']).where('evaluation_id', '=', id).orderBy('position').execute()
  }

  async #grades(id: string): Promise<ItemGrades[]> {
    const rows = await this.#store.db.selectFrom('evaluation_items').select(['position', 'grades_json']).where('evaluation_id', '=', id).orderBy('position').execute()
    return rows.map(({ position, grades_json }) => ({ position, grades: JSON.parse(grades_json) as AnswerGrade[] }))
  }

  /** In the order of `positions`. */
  async #read(id: string, positions: readonly number[]): Promise<EvaluationItem[]> {
    if (positions.length === 0) return []
    const rows = await this.#store.db.selectFrom('evaluation_items').selectAll().where('evaluation_id', '=', id).where('position', 'in', positions).execute()
    const byPosition = new Map(rows.map((row) => [row.position, itemOf(row)]))
    return positions.map((position) => byPosition.get(position)!)
  }
}

/** The update that removes the texts of items whose rows are tombstones. */
export function emptyDeletedItems({ db }: Pick<Store, 'db'>, datasetIds: readonly string[]) {
  return db.updateTable('evaluation_items').set({ texts_json: null })
    .where('texts_json', 'is not', null)
    .where('dataset_id', 'in', datasetIds)
    .where(({ exists, selectFrom }) => exists(selectFrom('dataset_rows').select('dataset_rows.position')
      .whereRef('dataset_rows.dataset_id', '=', 'evaluation_items.dataset_id')
      .whereRef('dataset_rows.position', '=', 'evaluation_items.position')
      .where('dataset_rows.row_json', 'is', null)))
}

function itemOf({ position, reward, grades_json, texts_json }: Row<'evaluation_items'>): EvaluationItem {
  return {
    position, reward,
    grades: JSON.parse(grades_json) as EvaluationItem['grades'],
    texts: texts_json === null ? null : JSON.parse(texts_json) as EvaluationItem['texts'],
  }
}

function changeOf(before: Place, after: Place): number | null {
  return before.reward === null || after.reward === null ? null : after.reward - before.reward
}

function directionOf(change: number | null): Change | undefined {
  if (change === null) return undefined
  return change > 0 ? 'better' : change < 0 ? 'worse' : 'same'
}

function pageAfter<Item extends { readonly position: number }>(ordered: readonly Item[], { after, limit }: ItemQuery): ItemPage<Item> {
  // A place that is not there any more: the list begins anew.
  const start = after === undefined ? 0 : ordered.findIndex(({ position }) => position === after) + 1
  return { items: ordered.slice(start, start + limit), hasMore: ordered.length > start + limit, total: ordered.length }
}
