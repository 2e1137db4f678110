"""What `bench.training` measures: an epoch's time, where it goes, and seconds to the same valid loss."""
