/** What advice is made of: what a team really has. Plain data, gathered by the files beside this one. */
import type { DataKindName } from '../data/kinds.ts'
import type { ModelConfig } from '../models/config.ts'
import type { SituationId } from './decision-table.ts'

/** What the answers of a file have in common: JSON, lines of `Field: value`, or one of a few short labels. */
export type AnswerForm = 'json' | 'fields' | 'labels'

/** How a program can tell whether an answer to a prompt is right. */
export interface AnswerCheck {
  /** The row's fields with what is right: the whole answer, or the values of the keys of a JSON answer. */
  readonly fields: readonly string[]
  readonly compare: 'number' | 'text' | 'json'
  /** Characters of the longest right answer. */
  readonly longest: number
}

/** Tokens of whole rows, and of what is to be answered. */
export interface Lengths {
  readonly median: number
  readonly percentile95: number
  readonly longest: number
  /** Counted with the model's tokenizer, or a quarter of the characters. */
  readonly basis: 'tokens' | 'characters'
}

/** A file, a dataset, or what the store has for one. */
export interface DataFacts {
  /** What a recipe calls it. */
  readonly name: string
  readonly kind: DataKindName
  /** Rows that training would take. */
  readonly rows: number
  /** Rows that training refuses, and the first reason. */
  readonly broken: number
  readonly fault?: string
  readonly duplicates: number
  /** Rows that contradict one before them. */
  readonly conflicts: number
  /** Only of labelled rows. */
  readonly labels?: { readonly up: number; readonly down: number }
  readonly form?: AnswerForm
  /** Only of prompts. */
  readonly check?: AnswerCheck
  /** Of prompts: the field that has whole answers, too long to be compared by a program. */
  readonly answers?: string
  readonly lengths?: Lengths
  /** Of pairs: whether their prompts can be read as prompts alone. */
  readonly asPrompts?: boolean
  /** Of pairs: the share in which the chosen answer is the longer one. */
  readonly chosenLonger?: number
  /** A dataset that brings held-out rows along: a job finds them without being told. */
  readonly holdsOut?: boolean
  /** It is not there yet: the dataset that is to be made of the store's feedback. */
  readonly toMake?: DatasetToMake
}

/** What `POST /v1/datasets` is to be asked for. */
export interface DatasetToMake {
  readonly name: string
  readonly kind: DataKindName
  readonly options?: Readonly<Record<string, unknown>>
}

/** Held-out rows beside the data. */
export interface HeldOutFacts {
  readonly name: string
  readonly kind: DataKindName
  readonly rows: number
  readonly broken: number
  /** Rows whose prompt is trained on too. */
  readonly leaked: number
}

/** What a server has collected. */
export interface StoreFacts {
  readonly completions: number
  /** Of these, answers that others gave: logged or imported. */
  readonly foreign: number
  readonly thumbsUp: number
  readonly thumbsDown: number
  readonly corrections: number
  readonly choices: number
  /** Aliases and adapters that are served beside the base. */
  readonly variants: number
}

/** A run that has ended. */
export interface RunFacts {
  readonly name: string
  readonly method: string
  readonly adapter: 'lora' | 'none'
  /** The adapter that it made; undefined after full fine-tuning. */
  readonly output?: string
  /** What was measured on held-out rows stopped getting better before the end. */
  readonly plateau: boolean
  readonly forgets: boolean
  /** Change of the loss on the general set, as a fraction. */
  readonly generalChange?: number
}

export interface Machine {
  readonly memoryMb: number
  readonly cores: number
  readonly cpu: string
}

export interface ModelFacts {
  /** What a recipe calls it. */
  readonly name: string
  /** undefined: the model was not opened. */
  readonly config?: ModelConfig
  /** Its weights come in 4 bits. */
  readonly fourBit?: boolean
}

export interface Facts {
  readonly goal?: SituationId
  readonly data: readonly DataFacts[]
  readonly heldOut?: HeldOutFacts | undefined
  /** Models that are to differ: files that answer the same prompts in different ways, or as many as were said. */
  readonly variants: number
  readonly store?: StoreFacts
  readonly runs: readonly RunFacts[]
  readonly machine: Machine
  readonly model: ModelFacts
  /** The adapter to go on from, where somebody named one. */
  readonly initialAdapter?: string
}
