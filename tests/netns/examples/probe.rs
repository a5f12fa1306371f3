use burstmesh_netns::emulator::Way;
use burstmesh_netns::tools::iperf::{self, Iperf};
use burstmesh_netns::*;
use std::time::{Duration, Instant};
fn main() -> anyhow::Result<()> {
    let lab = Lab::up(&Topology::builtin("calibration")?)?;
    let ip = lab.link("web")?.v4;
    for round in 0..6 {
        let reverse = round % 2 == 1;
        let way = if reverse { Way::Down } else { Way::Up };
        let (r, bins) = std::thread::scope(|s| {
            let h = s.spawn(|| {
                iperf::run(
                    &lab,
                    "c1",
                    "web",
                    ip,
                    &Iperf {
                        seconds: 4,
                        omit: 2,
                        reverse,
                        ..Iperf::default()
                    },
                )
            });
            let b = Instant::now();
            let mut bins = vec![];
            let mut last = lab.line("gw1").traffic(way).delivered.bytes;
            let mut n = 1;
            while !h.is_finished() {
                let t = Duration::from_millis(500 * n);
                std::thread::sleep(t.saturating_sub(b.elapsed()));
                let now = lab.line("gw1").traffic(way).delivered.bytes;
                bins.push((now - last) as f64 * 8. / 0.5e6);
                last = now;
                n += 1;
            }
            (h.join().unwrap(), bins)
        });
        let r = r?;
        println!(
            "round {round} reverse {reverse}: sum_received {:.2}% ",
            r.received * 1500. / 1448. / 2e5
        );
        println!(
            "   wire Mbit/s per 0.5 s: {}",
            bins.iter()
                .map(|b| format!("{b:.1}"))
                .collect::<Vec<_>>()
                .join(" ")
        );
        let ns = if reverse { "c1" } else { "web" };
        let _ = ns;
        let log = std::fs::read_to_string(lab.run_dir().join("web-iperf3.log"))?;
        let doc = serde_json::Deserializer::from_str(&log)
            .into_iter::<serde_json::Value>()
            .last()
            .unwrap()?;
        for i in doc["intervals"].as_array().unwrap() {
            let s = &i["sum"];
            println!(
                "   server interval {:.2}-{:.2}s omitted {} {:.2} Mbit/s",
                s["start"].as_f64().unwrap(),
                s["end"].as_f64().unwrap(),
                s["omitted"],
                s["bits_per_second"].as_f64().unwrap() / 1e6
            );
        }
        println!("   server end sum_received {}", doc["end"]["sum_received"]);
    }
    Ok(())
}
