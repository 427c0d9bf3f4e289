# Nobody's keys are in an image for everybody. Who has the debug cable has root there, and the set-up wizard.
{
  aleph.access.consoleLogin = true;
}
