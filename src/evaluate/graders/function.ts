import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'

import { UserError } from '../../errors.ts'
import { FunctionProcess } from './function-process.ts'
import { defineGrader } from './grader.ts'

/**
 * `function`: a function of the user's, `(sample, item) => number | null`, perhaps async, from a TypeScript or JavaScript
 * file. It runs in a process of its own; a row for which it throws, hangs, runs out of memory or returns anything else
 * gets a null reward with the reason, and the process is started again for the next.
 */
export const functionGrader = defineGrader({
  type: 'function',
  schema: z.strictObject({
    file: z.string().min(1),
    /** The export to call. */
    function: z.string().min(1).default('default'),
    /** Of one row. */
    timeout_ms: z.int().min(1).max(600_000).default(5_000),
    /** Of the process's JavaScript heap. */
    memory_mb: z.int().min(16).max(65_536).default(512),
  }),
  prepare({ file, function: name, timeout_ms: timeout, memory_mb: memory }, { place, options: { allowFunctions, baseDirectory } }) {
    if (allowFunctions !== true || baseDirectory === undefined) {
      throw new UserError(
        `${place}: a function can only be named in a recipe or a grader's file on this machine, not in a request.`,
        { exitCode: 2 },
      )
    }
    const path = resolve(baseDirectory, file)
    if (!existsSync(path) || !statSync(path).isFile()) {
      throw new UserError(`${place}.file: there is no file ${path}.`, { exitCode: 2 })
    }
    return {
      fields: [],
      async open() {
        const child = new FunctionProcess({ file: path, name, timeout, memory })
        await child.check()
        return { score: samples => child.score(samples), close: () => child.close() }
      },
    }
  },
})
