export { StoreError, isUniqueViolation } from './errors.ts'
export { openStore, type Store, type StoreOptions } from './store.ts'
export { newId } from './ids.ts'
export type * from './schema.ts'
