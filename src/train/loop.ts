import type { Loader } from '../data/loader.ts'
import type { RenderedTree } from '../data/tree.ts'
import { UserError } from '../errors.ts'
import { saveCheckpoint, type TrainState } from './checkpoint.ts'
import { evaluationLosses } from './evaluator.ts'
import type { TrainEvent } from './events.ts'
import type { Learner } from './learner.ts'
import { readLines } from './lines.ts'
import { definite, type Learning } from './learning/learning.ts'
import { createMonitor, peakMemoryMb } from './monitor.ts'
import { clipGradients, firstNonFinite, type Optimizer } from './optimizer.ts'
import type { Placement, Policy } from './policy.ts'
import type { Recipe } from './recipe.ts'
import type { StoredEvent } from './records.ts'
import type { RunFolder } from './run-folder.ts'
import { scheduleFactor } from './schedule.ts'
import { afterEvaluation, evaluationDue, isBest, shouldStop, type Progress, type StopRequest } from './stop.ts'

/** All that the loop works on. */
export interface LoopParts {
  readonly recipe: Recipe
  readonly folder: RunFolder
  readonly policy: Policy
  readonly placement: Placement
  readonly learner: Learner
  readonly optimizer: Optimizer
  readonly loader: Loader
  readonly learning: Learning
  readonly general: readonly RenderedTree[]
  readonly totalSteps: number
  /** Of an epoch, those on the same answers included. */
  readonly stepsPerEpoch: number
  readonly emit: (event: TrainEvent) => void
  /** Asked after every step. */
  readonly stopRequest: () => StopRequest | undefined
}

/** The loop that all methods share: batch, gradients, clipping, update, evaluation, checkpoint. Ends with the run's state. */
export async function trainingLoop(parts: LoopParts, start: TrainState): Promise<TrainState> {
  const { recipe, stepsPerEpoch, totalSteps, stopRequest } = parts
  const plan = { totalSteps, stepsPerEpoch, every: recipe.eval_every }
  const monitor = createMonitor()
  let state = start
  let savedStep = start.step
  let savedAt = Date.now()
  let evaluationWaits = false
  if (state.step === 0) state = await evaluate(parts, state, { heldOut: true, general: true })
  else if (state.step < totalSteps && stopRequest() === 'finish') return finishAt(parts, state)

  while (state.step < totalSteps && !shouldStop(progressOf(state), recipe.stop?.patience)) {
    state = await trainStep(parts, state, monitor)
    await letMessagesIn()
    // After the last step the training graph makes room for the evaluations that follow.
    if (state.step === totalSteps) await parts.learner.release()
    // In the middle of a set of answers nothing is saved, since a resumed run would have to sample them anew; and nothing
    // is measured, since the best parameters are to be saved.
    const whole = parts.learning.resumable !== false || state.step === totalSteps
    const asked = stopRequest()
    evaluationWaits ||= (evaluationDue(state.step, plan) || asked === 'finish') && recipe.eval !== undefined
    const evaluated = evaluationWaits && whole
    if (evaluated) {
      state = await evaluate(parts, state, { heldOut: true, general: false })
      evaluationWaits = false
    }
    const best = evaluated && isBest(progressOf(state), state.step) && recipe.keep === 'best'
    const { every_seconds, every_steps = Infinity } = recipe.checkpoint
    const patienceLost = shouldStop(progressOf(state), recipe.stop?.patience)
    if (patienceLost) reportStop(parts, state)
    else if (asked === 'finish' && whole && state.step < totalSteps) reportFinish(parts, state)
    const due = Date.now() - savedAt >= every_seconds * 1000 || state.step - savedStep >= every_steps
    const over = state.step === totalSteps || patienceLost
    if (whole && (over || best || due || asked !== undefined)) {
      await checkpoint(parts, state, best ? state.best?.loss : undefined)
      savedStep = state.step
      savedAt = Date.now()
    }
    if (asked !== undefined && whole) break
  }
  return state
}

/** Ends a run that goes on from a checkpoint only to end there: it is measured as it would have been after its last step. */
async function finishAt(parts: LoopParts, start: TrainState): Promise<TrainState> {
  reportFinish(parts, start)
  if (parts.recipe.eval === undefined || wasMeasured(parts.folder, start.step)) return start
  const state = await evaluate(parts, start, { heldOut: true, general: false })
  if (parts.recipe.keep === 'best' && isBest(progressOf(state), state.step)) await checkpoint(parts, state, state.best?.loss)
  return state
}

async function trainStep(parts: LoopParts, state: TrainState, monitor: ReturnType<typeof createMonitor>): Promise<TrainState> {
  const { recipe, learner, learning, optimizer, policy, loader, totalSteps, folder, emit } = parts
  const began = performance.now()
  const step = state.step + 1
  const { batches, metrics: before = {} } = await learning.next(() => loader.next().rows, step)
  const result = await learner.run(batches)
  const { loss, metrics, gradients } = result
  const after = learning.observe?.(result) ?? {}
  const grad_norm = clipGradients(gradients, recipe.optimizer.max_grad_norm)
  if (!Number.isFinite(loss) || !Number.isFinite(grad_norm)) throw diverged(parts, step, loss, gradients)
  const lr = recipe.optimizer.lr * scheduleFactor(recipe.schedule, state.step, totalSteps)
  optimizer.step(gradients, lr)
  const broken = firstNonFinite(policy.values)
  if (broken !== undefined) throw diverged(parts, step, loss, new Map([[broken, policy.values.get(broken)!]]))

  const seconds = (performance.now() - began) / 1000
  const tokens = batches.reduce((sum, { batch }) => sum + batch.tokens, 0)
  monitor.record(tokens, seconds)
  const { tokensPerSecond: tokens_per_second, etaSeconds: eta_seconds } = monitor.pace(totalSteps - step)
  const next: TrainState = {
    ...state,
    step,
    epoch: loader.state.epoch + loader.state.index / loader.rowsPerEpoch,
    loader: { ...loader.state },
    learning: learning.state,
    tokens: state.tokens + tokens,
    elapsedSeconds: state.elapsedSeconds + seconds,
  }
  const common = { step, loss, grad_norm, lr, tokens_per_second, memory_mb: Math.round(peakMemoryMb()) }
  const own = definite({ ...before, ...metrics, ...after })
  folder.logStep({ ...common, epoch: next.epoch, tokens: next.tokens, ...own })
  emit({ type: 'step', steps: totalSteps, eta_seconds, ...common, metrics: own })
  return next
}

function reportStop({ folder, emit }: LoopParts, { step, best, evaluationsSinceBest }: TrainState): void {
  const message = `no better evaluation loss in ${evaluationsSinceBest} evaluations: the best was ${best!.loss.toFixed(4)} at step ${best!.step}`
  folder.logEvent({ type: 'stopped', step, message })
  emit({ type: 'status', text: `stopped at step ${step}: ${message}` })
}

/** Whether the held-out rows were evaluated before the checkpoint of `step` was saved. */
function wasMeasured({ paths }: RunFolder, step: number): boolean {
  return readLines<StoredEvent>(paths.events).some((event) => event.type === 'evaluation' && event.step === step && (event.loss ?? event.reward) !== undefined)
}

function reportFinish({ folder, totalSteps, emit }: LoopParts, { step }: TrainState): void {
  const message = `told to finish after ${step} of ${totalSteps} steps`
  folder.logEvent({ type: 'stopped', step, message })
  emit({ type: 'status', text: message })
}

/** A run of ONNX Runtime blocks this thread: without a pause, a request to stop would wait until the end. */
function letMessagesIn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function diverged({ folder }: LoopParts, step: number, loss: number, gradients: ReadonlyMap<string, Float32Array>): UserError {
  const tensor = firstNonFinite(gradients)
  const what = Number.isFinite(loss) ? `a value of ${tensor ?? 'a gradient'}` : 'the loss'
  const message = `Step ${step}: ${what} is not a finite number. The checkpoints before it are kept in ${folder.paths.checkpoints}. Lower optimizer.lr or check the data.`
  folder.logEvent({ type: 'failed', step, message })
  return new UserError(message)
}

/** What is to be measured: the held-out rows, the loss on the general set. */
export interface EvaluationScope {
  readonly heldOut: boolean
  readonly general: boolean
}

/** Measures, logs, and says what it means for early stopping. */
export async function evaluate(parts: LoopParts, state: TrainState, scope: EvaluationScope): Promise<TrainState> {
  const { policy, placement, learning, general, folder, emit } = parts
  const { objective, metrics } = (scope.heldOut ? await learning.evaluate(state.step) : undefined) ?? {}
  const [generalLoss] = scope.general ? await evaluationLosses(policy, placement, [general]) : []
  const measured = { ...metrics, ...(generalLoss === undefined ? {} : { general_loss: generalLoss }) }
  folder.logEvent({ type: 'evaluation', step: state.step, ...measured })
  emit({ type: 'eval', step: state.step, metrics: measured })
  // The base's own loss, before the first step, is no result of training that could be kept.
  if (objective === undefined || state.step === 0) return state
  return { ...state, ...afterEvaluation(progressOf(state), state.step, objective) }
}

function progressOf({ best, evaluationsSinceBest }: TrainState): Progress {
  return { best, evaluationsSinceBest }
}

async function checkpoint({ folder, policy, optimizer, emit }: LoopParts, state: TrainState, evalLoss: number | undefined): Promise<void> {
  const shapes = new Map([...policy.parameters].map(([name, { shape }]) => [name, shape as readonly number[]]))
  const write = (directory: string): Promise<void> =>
    saveCheckpoint(directory, { parameters: policy.values, optimizer: optimizer.state(), state }, shapes)
  const { step, path } = await folder.checkpoints.save(state.step, write, evalLoss)
  emit({ type: 'checkpoint', step, path })
}
