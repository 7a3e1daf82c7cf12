/** Rows that contradict each other are left out, rows that say the same are one, and none is on both sides of the split. */
import type { LabelRow, PairRow } from '../data/rows.ts'
import { breathing, groupByBreathing } from './breathing.ts'
import type { Candidate } from './dataset-rows.ts'
import type { DatasetKind } from './dataset-spec.ts'
import { Groups, nearDuplicates } from './near-duplicates.ts'
import { sha256 } from './record.ts'

/** Rows of one prompt that cannot all be true, by where they come from: texts would outlive the deletion of their user. */
export interface Conflict {
  readonly completions: readonly string[]
  readonly feedback: readonly string[]
  /** Of rows of a file: `rows.jsonl:12`. */
  readonly places?: readonly string[]
}

export interface Cleaned {
  readonly kept: readonly Candidate[]
  readonly conflicts: readonly Conflict[]
  /** Rows in them, all of which are left out. */
  readonly conflicting: number
  /** Rows that said the same as another one, and were left out for it. */
  readonly duplicates: number
}

/**
 * Leaves out the rows that contradict each other (the same prompt and answer with both labels; of two answers each preferred to the
 * other), since neither can be told to be right, and all but the first of those that say the same.
 */
export async function clean(rows: readonly Candidate[], kind: DatasetKind): Promise<Cleaned> {
  const groups = await groupByBreathing(rows, (candidate) => statement(candidate, kind))
  const kept: Candidate[] = []
  const conflicts: Conflict[] = []
  let conflicting = 0
  for (const group of groups.values()) {
    if (new Set(group.map((candidate) => side(candidate, kind))).size > 1) {
      conflicts.push(conflictOf(group))
      conflicting += group.length
    } else kept.push(group[0]!)
  }
  return { kept, conflicts, conflicting, duplicates: rows.length - conflicting - kept.length }
}

function conflictOf(rows: readonly Candidate[]): Conflict {
  const places = rows.flatMap(({ where }) => where ?? [])
  return {
    completions: rows.flatMap(({ completionId: id }) => id ?? []),
    feedback: rows.flatMap(({ feedbackId: id }) => id ?? []),
    ...(places.length > 0 && { places }),
  }
}

/** What a row speaks of: the same for rows that say the same, and for those that say the opposite. */
function statement({ row }: Candidate, kind: DatasetKind): string {
  if (kind === 'labelled') {
    const { prompt, completion } = row as LabelRow
    return sha256(JSON.stringify([prompt, completion]))
  }
  if (kind === 'pairs') {
    const { prompt, chosen, rejected } = row as PairRow
    return sha256(JSON.stringify([prompt, [JSON.stringify(chosen), JSON.stringify(rejected)].sort()]))
  }
  return sha256(JSON.stringify(row))
}

/** Which of the two things it says of them. */
function side({ row }: Candidate, kind: DatasetKind): boolean {
  if (kind === 'labelled') return (row as LabelRow).label
  if (kind !== 'pairs') return true
  const { chosen, rejected } = row as PairRow
  return JSON.stringify(chosen) < JSON.stringify(rejected)
}

export type Split = 'train' | 'eval'

export interface SplitRows {
  /** Of each row. */
  readonly splits: readonly Split[]
  /** Questions that are nearly, not wholly, the same as another one's. */
  readonly nearDuplicates: number
  /** Rows that a split by conversation alone would have put on the other side than the same, or nearly the same, prompt. */
  readonly moved: number
  /** How many groups of rows the split could not divide: conversations, joined where their prompts are the same or nearly. */
  readonly groups: number
}

export interface SplitOptions {
  readonly evalFraction: number
  readonly seed: number
  /** Whether prompts that are nearly the same keep together. */
  readonly near: boolean
}

/** Holds out whole conversations, together with all that have the same prompt. */
export async function split(rows: readonly Candidate[], { evalFraction, seed, near }: SplitOptions): Promise<SplitRows> {
  const groups = new Groups(rows.length)
  joinEqual(groups, rows.map(({ conversationId }) => conversationId))
  const byConversation = await assign(rows, groups, evalFraction, seed)
  joinEqual(groups, rows.map(({ promptHash }) => promptHash))
  const alike = near ? await joinNear(groups, rows.map(({ question }) => question)) : 0
  const splits = await assign(rows, groups, evalFraction, seed)
  return { splits, nearDuplicates: alike, moved: movedRows(groups, byConversation, splits), groups: countGroups(groups, rows.length) }
}

function joinEqual(groups: Groups, keys: readonly string[]): void {
  const firsts = new Map<string, number>()
  for (const [i, key] of keys.entries()) {
    const first = firsts.get(key)
    if (first === undefined) firsts.set(key, i)
    else groups.join(first, i)
  }
}

/** @returns how many different questions are nearly the same as another */
async function joinNear(groups: Groups, questions: readonly string[]): Promise<number> {
  const places = await groupByBreathing(questions.keys(), (i) => questions[i]!)
  const firsts = [...places.values()].map(([first]) => first!)
  const alike = await nearDuplicates([...places.keys()])
  for (const [i, first] of firsts.entries()) groups.join(first, firsts[alike.of(i)]!)
  const sizes = Map.groupBy(firsts.keys(), (i) => alike.of(i))
  return [...sizes.values()].reduce((sum, { length }) => sum + (length > 1 ? length : 0), 0)
}

/**
 * Groups go to eval in the order of a hash of the seed and their conversations, as long as there is room: with more data
 * most of what was held out before is held out again.
 */
async function assign(rows: readonly Candidate[], groups: Groups, evalFraction: number, seed: number): Promise<Split[]> {
  const members = await groupByBreathing(rows.keys(), (i) => groups.of(i))
  const hashes = new Map<number, string>()
  const pause = breathing()
  for (const [group, places] of members) {
    await pause()
    hashes.set(group, leastHash(places.map((i) => rows[i]!.conversationId), seed))
  }
  const order = [...members.keys()].sort((a, b) => (hashes.get(a)! < hashes.get(b)! ? -1 : 1))
  const wanted = Math.round(evalFraction * rows.length)
  const splits = new Array<Split>(rows.length).fill('train')
  let taken = 0
  for (const group of order) {
    const places = members.get(group)!
    if (taken + places.length > wanted) continue
    for (const i of places) splits[i] = 'eval'
    taken += places.length
  }
  return splits
}

function leastHash(conversations: readonly string[], seed: number): string {
  return [...new Set(conversations)].map((id) => sha256(`${seed} ${id}`)).reduce((least, hash) => (hash < least ? hash : least))
}

/** Of each group that a split by conversation divides, the rows that it had put elsewhere. */
function movedRows(groups: Groups, before: readonly Split[], after: readonly Split[]): number {
  const members = [...Map.groupBy(before.keys(), (i) => groups.of(i)).values()]
  return members.filter((places) => new Set(places.map((i) => before[i])).size > 1)
    .reduce((sum, places) => sum + places.filter((i) => before[i] !== after[i]).length, 0)
}

function countGroups(groups: Groups, size: number): number {
  let count = 0
  for (let i = 0; i < size; i++) count += Number(groups.of(i) === i)
  return count
}
