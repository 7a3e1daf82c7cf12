import type { Routes } from '../app.ts'
import { adapterRoutes } from './adapters.ts'
import { aliasRoutes } from './aliases.ts'
import { chatRoutes } from './chat.ts'
import { completionRoutes } from './completions.ts'
import { datasetRowRoutes } from './dataset-rows.ts'
import { datasetRoutes } from './datasets.ts'
import { evaluationRoutes } from './evaluations.ts'
import { feedbackRoutes } from './feedback.ts'
import { fileRowRoutes } from './file-rows.ts'
import { fileRoutes } from './files.ts'
import { graderRoutes } from './graders.ts'
import { guideRoutes } from './guide.ts'
import { healthRoutes } from './health.ts'
import { inboxRoutes } from './inbox.ts'
import { jobRoutes } from './jobs.ts'
import { keyRoutes } from './keys.ts'
import { loraRoutes } from './lora.ts'
import { mergedRoutes } from './merged.ts'
import { mapRoutes } from './map.ts'
import { modelRoutes } from './models.ts'
import { recipeRoutes } from './recipes.ts'
import { runRoutes } from './runs.ts'
import { storedCompletionRoutes } from './stored-completions.ts'
import { studioRoutes } from './studio.ts'
import { userRoutes } from './users.ts'

/** The whole API. */
export const allRoutes: readonly Routes[] = [
  chatRoutes, completionRoutes, modelRoutes, loraRoutes, adapterRoutes, mergedRoutes, aliasRoutes,
  feedbackRoutes, inboxRoutes, storedCompletionRoutes, datasetRoutes, datasetRowRoutes, userRoutes, fileRoutes, fileRowRoutes, jobRoutes, runRoutes, recipeRoutes, guideRoutes, graderRoutes, keyRoutes, healthRoutes,
  evaluationRoutes, mapRoutes,
  studioRoutes,
]
