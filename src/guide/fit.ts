/** What of a run fits into the machine: how the base is stored, and how long its rows may be. */
import type { Precision } from '../models/graph/linear-maps.ts'
import type { DataFacts, Facts, Machine } from './facts.ts'
import { trainingMemory } from './memory.ts'

/** So much of the machine's memory may be taken. */
const usableMemory = 0.85
/** Tokens that rows are given room for. */
const rooms = [128, 256, 512, 1024, 2048, 4096, 8192]
/** A row's tokens where nothing is known of them. */
const unknownLength = 1024

export interface Fit {
  readonly precision: 'auto' | 'int4' | 'nf4'
  readonly maxLength: number
  /** Tokens of the longest row. */
  readonly longest: number
  /** MiB that the longest row would take over a base in 8 bits; undefined: the model was not opened. */
  readonly wantedMb?: number
}

/** The longest rows over the most precise base that fit; where nothing does, the whole rows over 4 bits. */
export function fitOf(facts: Facts, data: readonly DataFacts[]): Fit {
  const { model: { config }, machine } = facts
  const longest = longestOf(data)
  const wanted = Math.min(rooms.find((room) => room >= longest) ?? rooms.at(-1)!, config?.maxPositions ?? Infinity)
  const fit = { maxLength: wanted, longest }
  if (config === undefined) return { ...fit, precision: 'auto' }
  const memoryAt = (precision: Precision, length: number): number => trainingMemory(config, precision, Math.min(length, longest))
  const wantedMb = memoryAt('int8', wanted)
  for (const maxLength of [wanted, ...rooms.filter((room) => room < wanted).toReversed()]) {
    if (canTake(machine, memoryAt('int8', maxLength))) return { maxLength, longest, wantedMb, precision: 'auto' }
    if (canTake(machine, memoryAt(fourBits(facts), maxLength))) return { maxLength, longest, wantedMb, precision: fourBits(facts) }
  }
  return { ...fit, wantedMb, precision: fourBits(facts) }
}

/** Tokens of the longest row. A quarter of the characters may be half of the tokens, where it is no English prose. */
function longestOf(data: readonly DataFacts[]): number {
  return Math.max(1, ...data.map(({ lengths }) => (lengths === undefined ? unknownLength : lengths.longest * (lengths.basis === 'characters' ? 2 : 1))))
}

/** Whether a machine has so much memory to spare. */
export function canTake({ memoryMb }: Machine, mb: number): boolean {
  return mb <= usableMemory * memoryMb
}

/** A base that comes in four bits keeps its values in int4; NF4 would round them a second time. */
export function fourBits({ model }: Pick<Facts, 'model'>): 'int4' | 'nf4' {
  return model.fourBit === true ? 'int4' : 'nf4'
}
