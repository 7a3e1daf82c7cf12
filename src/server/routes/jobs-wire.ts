/** Jobs, events and checkpoints as OpenAI's clients read them. */
import type { JobCheckpoint, JobEvent, Page } from '../../registry/jobs.ts'
import { resultFileId } from '../../registry/job-result.ts'
import type { Job } from '../../registry/job-states.ts'
import type { Recipe } from '../../train/recipe.ts'
import { hyperparametersOf, type JobBody } from './jobs-request.ts'

/** Seconds since 1970. */
function seconds(milliseconds: number): number
function seconds(milliseconds: number | null): number | null
function seconds(milliseconds: number | null): number | null {
  return milliseconds === null ? null : Math.floor(milliseconds / 1000)
}

function parsed(json: string | null): unknown {
  return json === null ? null : JSON.parse(json)
}

export function wireJob(job: Job) {
  const recipe = JSON.parse(job.recipe_json) as Recipe
  const body = JSON.parse(job.request_json) as JobBody
  const hyperparameters = wireHyperparameters(body, recipe)
  const { n_epochs, batch_size, learning_rate_multiplier } = hyperparameters
  return {
    object: 'fine_tuning.job',
    id: job.id,
    created_at: seconds(job.created_at),
    finished_at: seconds(job.finished_at),
    estimated_finish: seconds(job.estimated_finish),
    model: job.model,
    fine_tuned_model: job.fine_tuned_model,
    organization_id: 'posttrain',
    status: job.status,
    error: parsed(job.error_json),
    hyperparameters: { n_epochs, batch_size, learning_rate_multiplier },
    method: wireMethod(body, hyperparameters),
    training_file: job.training_file,
    validation_file: job.validation_file,
    result_files: job.status === 'succeeded' ? [resultFileId(job)] : [],
    trained_tokens: job.trained_tokens,
    seed: recipe.seed,
    integrations: null,
    metadata: parsed(job.metadata_json),
    posttrain: {
      started_at: seconds(job.started_at),
      finish_requested_at: seconds(job.finish_requested_at),
      recipe,
      alias: body.posttrain?.alias ?? null,
      promotion: parsed(job.promotion_json),
    },
  }
}

/** The request's, with the numbers that `auto` came to. */
function wireHyperparameters(body: JobBody, { epochs, batch }: Recipe): Record<string, unknown> {
  const own = hyperparametersOf(body)
  const multiplier = own.learning_rate_multiplier
  return { ...own, n_epochs: epochs ?? 'auto', batch_size: batch, learning_rate_multiplier: typeof multiplier === 'number' ? multiplier : 1 }
}

function wireMethod({ method }: JobBody, hyperparameters: object): object {
  if (method?.type === 'reinforcement') return { type: method.type, reinforcement: { ...method.reinforcement, hyperparameters } }
  const type = method?.type ?? 'supervised'
  return { type, [type]: { hyperparameters } }
}

export function wireEvent(event: JobEvent) {
  const { id, created_at, level, message, type } = event
  return { object: 'fine_tuning.job.event', id, created_at: seconds(created_at), level, message, type, data: parsed(event.data_json) }
}

export function wireCheckpoint({ id, job_id, created_at, step, adapter_id, metrics_json }: JobCheckpoint) {
  return {
    object: 'fine_tuning.job.checkpoint',
    id,
    created_at: seconds(created_at),
    fine_tuning_job_id: job_id,
    fine_tuned_model_checkpoint: adapter_id,
    step_number: step,
    metrics: parsed(metrics_json),
  }
}

/** A page in OpenAI's form. */
export function wirePage<Item, Wire extends { readonly id: string }>({ items, hasMore }: Page<Item>, wire: (item: Item) => Wire) {
  const data = items.map(wire)
  return { object: 'list', data, has_more: hasMore, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null }
}
