import { dereference, type Schema } from '@cfworker/json-schema'
import { z } from 'zod'

import { messageOf, nearest, UserError } from '../../errors.ts'
import { defineGrader, scoreOfError } from './grader.ts'
import type { CreditRequest } from './json-credit.ts'
import { parseTemplate } from './template.ts'
import { TimedWorker } from './timed-worker.ts'

const types = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']
/** Keywords whose values are data, not schemas. */
const data = ['enum', 'const', 'default', 'examples', 'required', 'dependentRequired']
const MAX_DEPTH = 64

/**
 * `json_schema`: 1 where the output is JSON that the schema allows; with `partial`, credit for what is right about it.
 * A schema may hold regular expressions (`pattern`), so it is checked under a time limit.
 */
export const jsonSchema = defineGrader({
  type: 'json_schema',
  schema: z.strictObject({
    schema: z.record(z.string(), z.unknown()),
    partial: z.boolean().default(false),
    input: z.string().default('{{sample.output_text}}'),
    timeout_ms: z.int().min(1).max(60_000).default(2_000),
  }),
  prepare({ schema, partial, timeout_ms, ...spec }, { place }) {
    checkSchema(schema, `${place}.schema`)
    const input = parseTemplate(spec.input, `${place}.input`)
    const text = JSON.stringify(schema)
    return {
      fields: input.fields,
      open() {
        const worker = new TimedWorker(timeout_ms)
        return {
          score: samples => Promise.all(samples.map(async sample => {
            try {
              const request: CreditRequest = { schema: text, text: input.render(sample), partial }
              return { value: await worker.call<number>('credit', request) }
            } catch (error) {
              return scoreOfError(error)
            }
          })),
          close: () => worker.close(),
        }
      },
    }
  },
})

/** A misspelt type or a reference to nowhere would refuse every output. No value is validated: that could take for ever. */
function checkSchema(schema: object, place: string): void {
  checkTypes(schema, place, 0)
  try {
    checkReferences(dereference(schema))
  } catch (error) {
    throw new UserError(`${place}: not a schema that can be used: ${messageOf(error)}`, { exitCode: 2, cause: error })
  }
}

/** @param known all schemas within one, by their addresses */
function checkReferences(known: Readonly<Record<string, Schema | boolean>>): void {
  for (const schema of Object.values(known)) {
    if (typeof schema === 'boolean' || schema.$ref === undefined) continue
    if (known[schema.__absolute_ref__ ?? schema.$ref] === undefined) throw new Error(`Unresolved $ref "${schema.$ref}"`)
  }
}

function checkTypes(schema: object, place: string, depth: number): void {
  if (depth > MAX_DEPTH) throw new UserError(`${place}: the schema is nested more than ${MAX_DEPTH} deep.`, { exitCode: 2 })
  for (const [key, value] of Object.entries(schema) as [string, unknown][]) {
    if (data.includes(key)) continue
    const misspelt = key === 'type' ? [value].flat().find(name => typeof name === 'string' && !types.includes(name)) : undefined
    if (misspelt !== undefined) {
      const slip = nearest(String(misspelt), types)
      const hint = slip === undefined ? `known are ${types.join(', ')}` : `did you mean "${slip}"?`
      throw new UserError(`${place}.type: there is no type "${String(misspelt)}"; ${hint}`, { exitCode: 2 })
    }
    if (typeof value === 'object' && value !== null) checkTypes(value, `${place}.${key}`, depth + 1)
  }
}
