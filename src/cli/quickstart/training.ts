/** A fine-tuning job from its request to its end, with what it tells meanwhile. */
import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import { UserError } from '../../errors.ts'
import type { Progress } from '../progress.ts'
import type { Client, Job, JobEvent, JobParams } from './client.ts'

/** A job that has ended well. */
export interface TrainedJob {
  readonly id: string
  readonly adapter: string
  readonly trained_tokens: number
  readonly alias: { readonly moved: boolean; readonly reason: string }
  /** Nats per token on general questions, under the adapter that the alias pointed to and under the job's. */
  readonly general_loss: { readonly before: number; readonly after: number }
}

const pause = 500

/** What a job says of its alias: ours, beside OpenAI's keys. */
const promotionOf = z.object({
  posttrain: z.object({
    promotion: z.object({
      promote: z.boolean(),
      reason: z.string(),
      comparison: z.object({ generalLoss: z.object({ before: z.number(), after: z.number() }) }),
    }),
  }),
})

/** What a step's event counts. */
const stepOf = z.object({ step: z.number(), total_steps: z.number(), train_loss: z.number() })

/** Starts a job and follows it to its end. @throws UserError where it fails */
export async function trainOnServer(client: Client, params: JobParams, posttrain: object, { label, progress }: { readonly label: string; readonly progress: Progress }): Promise<TrainedJob> {
  const { id } = await client.startJob(params, posttrain)
  const seen = new Set<string>()
  for (;;) {
    // Asked before its events: what is said of a job that is over is all there is.
    const job = await client.job(id)
    for (const event of await client.events(id)) {
      if (seen.has(event.id)) continue
      seen.add(event.id)
      tell(event, label, progress)
    }
    if (job.finished_at !== null) {
      progress.end()
      return ended(job)
    }
    await setTimeout(pause, undefined, { signal: client.signal })
  }
}

function tell({ level, message, data, type }: JobEvent, label: string, progress: Progress): void {
  const step = type === 'metrics' ? stepOf.safeParse(data).data : undefined
  if (step !== undefined) progress.update({ label, done: step.step, total: step.total_steps, detail: `loss ${step.train_loss.toFixed(4)}` })
  else if (level !== 'info' || type === 'metrics' || message.includes(' alias ')) progress.note(`  ${message}`)
}

function ended(job: Job): TrainedJob {
  const { id, status, error, fine_tuned_model: adapter, trained_tokens } = job
  if (status !== 'succeeded' || adapter === null) throw new UserError(`the job ${id} ${status}${error === null ? '' : `: ${error.message}`}`)
  const { promote: moved, reason, comparison } = promotionOf.parse(job).posttrain.promotion
  return { id, adapter, trained_tokens: trained_tokens ?? 0, alias: { moved, reason }, general_loss: comparison.generalLoss }
}
