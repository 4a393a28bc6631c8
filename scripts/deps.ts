/** Third-party packages, each named here once. Only the command line loads them. */
export {
  Argument,
  Command,
  CommanderError,
  InvalidArgumentError,
  Option,
} from "npm:commander@15.1.0";
