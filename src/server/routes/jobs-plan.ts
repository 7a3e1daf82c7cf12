import { methods } from '../../methods/index.ts'
import type { Adapter } from '../../registry/adapters.ts'
import type { JobDataset, JobRows, NewJob } from '../../registry/jobs.ts'
import type { Recipe } from '../../train/recipe.ts'
import type { ServerContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { recipeOf } from './jobs-recipe.ts'
import { checkExtension, type JobBody, warningsOf } from './jobs-request.ts'

type PlanContext = Pick<ServerContext, 'jobs' | 'adapters'>

const datasetPrefix = 'dataset:'

/** What a request would be as a job: everything that it names is there. @throws ApiError that names the key */
export async function planJob({ jobs, adapters }: PlanContext, body: JobBody): Promise<NewJob & { readonly recipe: Recipe }> {
  checkExtension(body, jobs.webhookAllow)
  const parent = parentOf(adapters, body)
  const training = await rowsFor(jobs, body.training_file, 'training_file')
  const validation = body.validation_file == null ? training.eval : (await rowsFor(jobs, body.validation_file, 'validation_file')).train
  const recipe = recipeOf(body, {
    base: adapters.base, trainingFile: training.train.reference, validationFile: validation?.reference, parentId: parent?.id,
  })
  const kind = methods[recipe.method]!.rows
  if (training.kind !== undefined && training.kind !== kind) {
    throw new ApiError(400, `${body.training_file} holds rows of the kind "${training.kind}", and method ${body.method?.type ?? 'supervised'} learns from "${kind}"`, { param: 'training_file' })
  }
  return {
    request: body, model: body.model, recipe, parent, training: training.train, validation, metadata: body.metadata ?? {}, warnings: warningsOf(body),
  }
}

function parentOf(adapters: PlanContext['adapters'], { model, posttrain }: JobBody): Adapter | undefined {
  const found = adapters.resolve(model)
  if (found === undefined) {
    throw new ApiError(404, `The model \`${model}\` does not exist here: train ${adapters.base}, or one of its adapters`, { param: 'model', code: 'model_not_found' })
  }
  const alias = posttrain?.alias
  const other = alias === undefined || adapters.aliases.get(alias) !== undefined ? undefined : adapters.resolve(alias)
  if (other !== undefined) throw new ApiError(400, `${alias} is a model's name: an alias needs another`, { param: 'posttrain.alias' })
  return found.adapterId === null ? undefined : adapters.get(found.adapterId)
}

/** What a reference stands for: a file's rows, whose kind is not known yet, or a dataset. @throws ApiError */
export async function rowsFor(jobs: PlanContext['jobs'], reference: string, param: string): Promise<Omit<JobDataset, 'kind'> & { kind?: JobDataset['kind']; train: JobRows }> {
  if (reference.startsWith(datasetPrefix)) {
    const dataset = await jobs.findDataset(reference.slice(datasetPrefix.length))
    if (dataset === undefined) throw new ApiError(400, `there is no dataset ${reference.slice(datasetPrefix.length)}`, { param, code: 'file_not_found' })
    return dataset
  }
  const file = await jobs.files.get(reference)
  if (file === undefined) throw new ApiError(400, `invalid ${param}: ${reference} does not exist`, { param, code: 'file_not_found' })
  if (file.purpose !== 'fine-tune') {
    throw new ApiError(400, `${reference} was uploaded for ${file.purpose}: upload it with the purpose fine-tune`, { param, code: 'invalid_file_purpose' })
  }
  return { train: jobs.rowsOf(file), eval: undefined }
}
