import type { ModelFiles } from '../../models/files.ts'
import type { Tokenizer } from '../../models/tokenizer/tokenizer.ts'
import type { Loss, Method, RowKind } from '../../methods/method.ts'
import type { PackedBatch } from '../../models/graph/forward.ts'
import type { HostTensor } from '../../runtime/program.ts'
import { matmul, squeeze, unsqueeze } from '../../tensor/operators.ts'
import type { Dim } from '../../tensor/shape.ts'
import { input, type Tensor } from '../../tensor/tensor.ts'
import type { TrainState } from '../checkpoint.ts'
import type { TrainEvent } from '../events.ts'
import type { MicroBatch, StepGradients } from '../learner.ts'
import type { Placement, Policy } from '../policy.ts'
import type { Recipe } from '../recipe.ts'
import type { RunFolder } from '../run-folder.ts'
import type { TrainingData } from '../training-data.ts'

/** The micro-batches of an optimizer step, and what is to be logged of how they came about. */
export interface StepBatches {
  readonly batches: readonly MicroBatch[]
  readonly metrics?: Readonly<Record<string, number>>
}

/** How a method learns from its kind of rows: its loss as a graph, and each step's micro-batches. */
export interface Learning {
  readonly loss: Loss
  /** Values of each micro-batch that `observe` is to see. */
  readonly observed?: Readonly<Record<string, Tensor>>
  /** The next step's micro-batches; `nextRows` takes the next batch of row numbers from the data. */
  next(nextRows: () => readonly number[], step: number): Promise<StepBatches>
  /** Hears what came of the micro-batches, before the update; returns what is to be logged of it. */
  observe?(result: StepGradients): Readonly<Record<string, number>>
  /** Whether a run may be cut here and go on from what `state` says. True unless given. */
  readonly resumable?: boolean
  /** What a resumed run needs beside parameters, optimizer and the place in the data. JSON. */
  readonly state?: TrainState['learning']
  /** Measures the held-out rows under the policy as it stands; undefined where there are none. */
  evaluate(step: number): Promise<HeldOut | undefined>
  release?(): Promise<void>
}

/** A measurement on held-out rows. */
export interface HeldOut {
  /** What is to become small: the loss, or the negative reward. */
  readonly objective: number
  /** As they are logged; `loss` or `reward` among them. */
  readonly metrics: Readonly<Record<string, number>>
}

/** What a learning is made of. */
export interface LearningContext<Row = unknown> {
  readonly recipe: Recipe
  readonly policy: Policy
  /** The policy's parameters at step 0, for references. */
  readonly initial: Policy['values']
  readonly placement: Placement
  readonly data: TrainingData<Row>
  readonly model: ModelFiles
  readonly tokenizer: Tokenizer
  readonly folder: RunFolder
  /** Folder for prepared weights. */
  readonly cache: string
  /** What `Learning.state` was at the checkpoint that the run goes on from. */
  readonly state: unknown
  readonly emit: (event: TrainEvent) => void
}

/** The metrics that have a value: the mean over a class of which a step has no row has none, and is not a number. */
export function definite(metrics: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => !Number.isNaN(value)))
}

/** The method of a kind, of all methods. */
export type MethodFor<Kind extends RowKind> = Extract<Method, { readonly rows: Kind }>

export function scalarInput(name: string): Tensor {
  return input(name, 'float32', [])
}

export function scalar(value: number): HostTensor {
  return { data: Float32Array.of(value), shape: [] }
}

export function vector(values: Float32Array): HostTensor {
  return { data: values, shape: [values.length] }
}

/** Sums of x over groups of targets. members [Q, N], 1 where a target belongs to the group; x [N] -> [Q] */
export function groupSums(members: Tensor, x_N: Tensor): Tensor {
  return squeeze(matmul(members, unsqueeze(x_N, 1)), -1)
}

/** 1 where target n belongs to sequence q, else 0; [Q, N] */
export function sequenceMembers({ targets, sequences }: PackedBatch): HostTensor {
  const count = targets.sequences.length
  const data = new Float32Array(sequences.trees.length * count)
  targets.sequences.forEach((sequence, n) => { if (sequence >= 0) data[sequence * count + n] = 1 })
  return { data, shape: [sequences.trees.length, count] }
}

/** The graph input for members of `count` groups, [count, N]. */
export function membersInput(name: string, count: Dim): Tensor {
  return input(name, 'float32', [count, 'N'])
}
