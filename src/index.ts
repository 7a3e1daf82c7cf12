/**
 * posttrain as a library: `loadModel` to score and generate with a model, `train` to fine-tune it, `merge` to bake an
 * adapter into its base, `openGrader` to say what answers are worth, `advise` to say which technique a team's data call for,
 * `adviseRun` what to change after a run, `guide` the field guide as data, `logCompletion` and `sendFeedback` to tell a server what
 * users were answered and what they thought of it. Everything that a user can cause is thrown as a UserError.
 */
export { UserError } from './errors.ts'
export { loadModel, type LoadedModel, type LoadOptions } from './generate/model.ts'
export type { Completion, GenerateRequest } from './generate/completion.ts'
export type { SamplingOptions } from './generate/sampling.ts'
export type { ModelConfig } from './models/config.ts'
export type { Message, Tokenizer } from './models/tokenizer/tokenizer.ts'
export { openGrader, type Grade, type GradedSample, type Grader, type GraderOptions } from './evaluate/graders/index.ts'
export { merge, type MergeOptions, type MergeResult } from './models/merge.ts'
export { train, type TrainOptions } from './train/train.ts'
export type { TrainEvent, TrainResult } from './train/events.ts'
export type { Recipe, RecipeInput } from './train/recipe.ts'
export { advise, type AdviseOptions, type EstimatedAdvice } from './guide/library.ts'
export { adviseRun, type RunAdvice } from './guide/advise-run.ts'
export { guide, type Guide } from './guide/guide.ts'
export { logCompletion, sendFeedback, type NewFeedback, type ServerAddress } from './feedback/client.ts'
export { startServer, type ServerOptions, type StartedServer } from './server/library.ts'
