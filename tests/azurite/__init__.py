"""A real storage account for the tests, as real as can be had on one machine: Microsoft's emulator Azurite."""
