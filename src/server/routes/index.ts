import type { Routes } from '../app.ts'
import { adapterRoutes } from './adapters.ts'
import { aliasRoutes } from './aliases.ts'
import { chatRoutes } from './chat.ts'
import { completionRoutes } from './completions.ts'
import { healthRoutes } from './health.ts'
import { keyRoutes } from './keys.ts'
import { loraRoutes } from './lora.ts'
import { modelRoutes } from './models.ts'

export const allRoutes: readonly Routes[] = [
  chatRoutes, completionRoutes, modelRoutes, loraRoutes, adapterRoutes, aliasRoutes, keyRoutes, healthRoutes,
]
