// Imported by each process of the test runner before its test file.
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// TypeScript is stripped and compiled once, not by each of a thousand processes: a quarter of the tests' time.
const folder = fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url))
enableCompileCache(folder)
// For the commands, servers and jobs that tests start.
process.env.NODE_COMPILE_CACHE = folder
