/** The loop: a model is served, learns from a team's log, then from what users say of its answers. All of it over HTTP. */
import { winRate, type WinRate } from '../../evaluate/compare.ts'
import type { Estimate } from '../../evaluate/statistics.ts'
import type { Progress } from '../progress.ts'
import type { Client, Dataset } from './client.ts'
import { simulatedAgents, type SupportDesk } from './desk.ts'
import { LatencyProbe, type Latency } from './latency.ts'
import { measureChoices, measureHeldOut, pointsByComplaint, qualityOf, uploadHeldOut, type Answers, type Quality } from './quality.ts'
import { holdSession, type Session } from './session.ts'
import { trainOnServer, type TrainedJob } from './training.ts'

/** What the product asks for, whatever answers it. */
export const alias = 'support-desk'

export interface LoopOptions {
  readonly client: Client
  readonly desk: SupportDesk
  /** The base's name. */
  readonly base: string
  readonly precision: string
  readonly progress: Progress
}

/** Everything that the loop measured. */
export interface LoopFigures {
  readonly users: string
  readonly base: Quality
  /** After the job on the team's log. */
  readonly v1: Quality
  /** After the job on feedback. */
  readonly v2: Quality
  /** Share of the held-out choices in which a model finds the chosen summary likelier, per token. */
  readonly preference: Readonly<Record<'base' | 'v1' | 'v2', Estimate>>
  readonly v2_wins_over_v1: WinRate
  /** Nats per token on general questions: what the base has forgotten. */
  readonly general_loss: { readonly base: number; readonly v1: number; readonly v2: number }
  readonly log_job: TrainedJob
  readonly session: Session
  readonly dataset: Dataset
  readonly feedback_job: TrainedJob
  /** The adapter that the alias points to in the end; null: the base. */
  readonly alias: string | null
  readonly latency: { readonly idle: Latency; readonly while_training: Latency }
  /** Seconds of each part. */
  readonly seconds: Readonly<Record<string, number>>
}

export interface Loop {
  readonly figures: LoopFigures
  readonly answers: { readonly base: Answers; readonly v1: Answers; readonly v2: Answers }
}

/** The log as it is: two passes would learn its bad summaries by heart. */
const fromLog = {
  method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 1, batch_size: 8 } } },
  recipe: { optimizer: { lr: 1e-3 }, schedule: { name: 'cosine', warmup: 0.03 } },
} as const

const fromChoices = {
  method: { type: 'dpo', dpo: { hyperparameters: { n_epochs: 2, batch_size: 8, beta: 0.1 } } },
  recipe: { optimizer: { lr: 5e-5 }, schedule: { name: 'cosine', warmup: 0.1 } },
} as const

/** Requests by which latency is measured while nothing else goes on. */
const idleRequests = 10
/** Milliseconds between two requests while a job trains. */
const probePause = 3000

export async function runLoop({ client, desk, base, precision, progress }: LoopOptions): Promise<Loop> {
  const { seconds, timed } = stopwatch()
  const heldOut = await uploadHeldOut(client, desk.heldOut)
  const measure = (label: string, model: string): Promise<Answers> => timed(`answers of ${label}`, () => measureHeldOut(client, model, heldOut, { label, progress }))
  const common = { seed: 0, metadata: { quickstart: 'complaints' } }
  // Measured once: below, as everything else is.
  const settings = (recipe: object) => ({ alias, evaluate: false, base: { precision }, recipe })

  await client.moveAlias(alias, null, 'the product starts with the base')
  progress.note(`1. The product asks for "${alias}", which is the base.`)
  const baseAnswers = await measure('base', base)

  progress.note('2. A job on the team\'s log: 400 summaries, of which four in ten are good, and 40 general answers.')
  const logJob = await timed('job on the log', async () => {
    const [trainingFile, validationFile] = await Promise.all([client.upload(desk.log, 'log.jsonl'), client.upload(desk.heldOutLog, 'log-heldout.jsonl')])
    const params = { ...common, model: base, training_file: trainingFile, validation_file: validationFile, method: fromLog.method, suffix: 'v1' }
    return trainOnServer(client, params, settings(fromLog.recipe), { label: 'supervised', progress })
  })
  const v1Answers = await measure('v1', logJob.adapter)

  progress.note(`3. ${desk.complaints.length} complaints come in. ${simulatedAgents}`)
  const session = await timed('session', () => holdSession(client, desk.complaints, { model: alias, progress }))
  progress.note(`  ${session.choices} choices and ${session.thumbs_up} thumbs up are stored`)

  progress.note('4. A dataset of the choices, and a job on it; the server answers meanwhile.')
  const dataset = await client.makeDataset({ name: 'complaint-choices', kind: 'pairs', filter: { alias }, eval_fraction: 0.15 })
  const { train, eval: others } = dataset.report.splits
  progress.note(`  ${dataset.reference}: ${train} pairs to train on, ${others} held out`)
  const probe = new LatencyProbe(client, alias, desk.heldOut)
  const idle = await timed('latency', () => probe.measure(idleRequests))
  const [feedbackJob, whileTraining] = await timed('job on feedback', () => {
    const params = { ...common, model: alias, training_file: dataset.reference, method: fromChoices.method, suffix: 'v2' }
    const job = trainOnServer(client, params, settings(fromChoices.recipe), { label: 'dpo', progress })
    return Promise.all([job, probe.measureDuring(job, probePause)])
  })
  const v2Answers = await measure('v2', feedbackJob.adapter)

  progress.note(`5. All three on the ${others} choices that were held out.`)
  const prefers = (label: string, model: string): Promise<Estimate> =>
    timed(`choices of ${label}`, () => measureChoices(client, model, dataset.reference, { label, progress }))
  const preference = { base: await prefers('base', base), v1: await prefers('v1', logJob.adapter), v2: await prefers('v2', feedbackJob.adapter) }

  const answers = { base: baseAnswers, v1: v1Answers, v2: v2Answers }
  return {
    answers,
    figures: {
      users: simulatedAgents,
      base: qualityOf(baseAnswers),
      v1: qualityOf(v1Answers),
      v2: qualityOf(v2Answers),
      preference,
      v2_wins_over_v1: winRate(pointsByComplaint(v1Answers), pointsByComplaint(v2Answers)),
      general_loss: { base: logJob.general_loss.before, v1: logJob.general_loss.after, v2: feedbackJob.general_loss.after },
      log_job: logJob,
      session,
      dataset,
      feedback_job: feedbackJob,
      alias: await client.alias(alias),
      latency: { idle, while_training: whileTraining },
      seconds,
    },
  }
}

function stopwatch() {
  const seconds: Record<string, number> = {}
  const timed = async <Result>(name: string, work: () => Promise<Result>): Promise<Result> => {
    const start = performance.now()
    const result = await work()
    seconds[name] = (performance.now() - start) / 1000
    return result
  }
  return { seconds, timed }
}
