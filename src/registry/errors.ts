import { UserError } from '../errors.ts'

/** What was asked for is not there: 404 over HTTP. */
export class NotFoundError extends UserError {}

/** It cannot be done as things stand, but could be after another change: 409 over HTTP. */
export class ConflictError extends UserError {}
