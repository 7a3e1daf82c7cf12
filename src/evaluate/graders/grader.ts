import type { z } from 'zod'

import { messageOf } from '../../errors.ts'
import type { Message } from '../../models/tokenizer/tokenizer.ts'

/** An output and the row that it answers. */
export interface GradedSample {
  /** The row's fields, read in templates as `{{item.x}}`. */
  readonly item: Readonly<Record<string, unknown>>
  /** The completion's text. */
  readonly output: string
}

/** What an output is worth. */
export interface Grade {
  /** Null where the grader could say nothing; `error` then says why. */
  readonly reward: number | null
  /** By the grader's `names`. */
  readonly components: Readonly<Record<string, number | null>>
  readonly error?: string
}

/** A grader ready for work. */
export interface Grader {
  /** Of the components of each grade. */
  readonly names: readonly string[]
  /** Fields of the rows that its templates read. */
  readonly fields: readonly string[]
  /** A grade for each sample, in their order. What one sample makes fail leaves the others' grades as they are. */
  grade(samples: readonly GradedSample[]): Promise<readonly Grade[]>
  close(): Promise<void>
}

/** Answers a conversation; `model` is what the grader's spec asks for. */
export type Complete = (messages: readonly Message[], model: string) => Promise<string>

/** What graders may use. Without `baseDirectory` a spec comes from the network: it can name no files and no models. */
export interface GraderOptions {
  /** Folder of the recipe or of the grader's file: paths in the spec are relative to it. */
  readonly baseDirectory?: string | undefined
  /** Lets `function` run a file of the user's. Only for specs of the user's own. */
  readonly allowFunctions?: boolean | undefined
  /** The model whose answers are graded, for graders that work on the same base. */
  readonly model?: string | undefined
  /** Answers for `score_model`; unless given, a local model does. */
  readonly complete?: Complete | undefined
  /** Vectors of texts for `text_similarity` with `cosine`; refused where it is not given. */
  readonly embed?: ((texts: readonly string[]) => Promise<readonly ArrayLike<number>[]>) | undefined
}

/** A reward, or null with the reason why there is none. */
export interface Score {
  readonly value: number | null
  readonly reason?: string
  /** Of a grader made of others, their scores by name. */
  readonly parts?: Readonly<Record<string, number | null>>
}

/** A grader whose spec was checked: all that can be known without opening a file, a process or a model. */
export interface PreparedGrader {
  /** Names of its parts; a grader that is not made of others has none. */
  readonly parts?: readonly string[]
  readonly fields: readonly string[]
  open(): OpenedGrader | Promise<OpenedGrader>
}

export interface OpenedGrader {
  score(samples: readonly GradedSample[]): readonly Score[] | Promise<readonly Score[]>
  close?(): Promise<void>
}

/** Where a spec stands, and with what its graders may work. */
export interface GraderContext {
  readonly options: GraderOptions
  /** In messages: `grader.graders.a`. */
  readonly place: string
  /** A grader within this one; `key` is its place in it. */
  child(spec: unknown, key: string): NamedGrader
}

export interface NamedGrader extends PreparedGrader {
  readonly name: string
}

/** One type of grader. A new one is a file with one of these, and a line in `index.ts`. */
export interface GraderKind<Spec = unknown> {
  /** What the spec's `type` says. */
  readonly type: string
  /** Of the spec, `type` and `name` aside. */
  readonly schema: z.ZodType<Spec>
  /** Checks what a schema cannot. Throws UserErrors. */
  prepare(spec: Spec, context: GraderContext): PreparedGrader
}

/** Keeps the type of the spec within a kind, and forgets it outside. */
export function defineGrader<Spec>(kind: GraderKind<Spec>): GraderKind {
  return kind
}

/** Why one sample has not the score that its grader computes. */
export class Ungradable extends Error {
  /** Null where the row is at fault; a number (0: worth nothing) where the output is. */
  readonly value: number | null

  constructor(reason: string, value: number | null = null) {
    super(reason)
    this.value = value
  }
}

/** What an error in grading one sample comes to: its score. */
export function scoreOfError(error: unknown): Score {
  if (error instanceof Ungradable && error.value !== null) return { value: error.value }
  return { value: null, reason: messageOf(error) }
}

/** A grader that looks at each sample by itself. */
export function eachSample(score: (sample: GradedSample) => number): OpenedGrader {
  return {
    score: samples => samples.map(sample => {
      try {
        return { value: score(sample) }
      } catch (error) {
        if (!(error instanceof Ungradable)) throw error
        return scoreOfError(error)
      }
    }),
  }
}
