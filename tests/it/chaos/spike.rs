//! From 5,000 to 20,000 samples a second for half a minute.

use crate::faults::drones::survive_spike;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and all of the machine: make chaos"]
async fn a_spike_to_four_times_the_rate_for_30_s() {
    survive_spike(10, 30).await;
}
