/** The field guide as one piece of data: pure, so that a browser may have it. */
import { claims } from './claims.ts'
import { decisionTable } from './decision-table.ts'
import { headlinePath, tuningGoals } from './headline-path.ts'
import { references } from './references.ts'
import { techniques } from './techniques.ts'

export const guide = { techniques, decisions: decisionTable, path: headlinePath, tuning: tuningGoals, claims, references }

export type Guide = typeof guide
