// The Stripe simulator's process: flags, wiring, serve, stop.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <curl/curl.h>

#include "tests/stripesim/flags.h"
#include "tests/stripesim/http_server.h"
#include "tests/stripesim/simulator.h"
#include "tests/stripesim/webhook_sender.h"

namespace {

constexpr int64_t kTickMs = 200;

int64_t WallSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void WritePort(const std::string& path, uint16_t port) {
  if (path.empty()) return;
  // Written aside and renamed: whoever waits for the file must not read half of it.
  const std::string aside = path + ".tmp";
  {
    std::ofstream file(aside);
    file << port << '\n';
    if (!file) throw std::runtime_error("cannot write port file " + path);
  }
  if (std::rename(aside.c_str(), path.c_str()) != 0) {
    throw std::runtime_error("cannot write port file " + path);
  }
}

void Serve(const stripesim::Options& options) {
  // Blocked before any thread starts, so that only sigwait below gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  stripesim::Simulator simulator(options, WallSeconds);
  stripesim::WebhookSender::Config config;
  config.threads = options.webhook_threads;
  config.retry_base_ms = options.webhook_retry_base_ms;
  config.max_tries = options.webhook_max_tries;
  config.timeout_ms = options.webhook_timeout_ms;
  config.ca_file = options.webhook_ca_file;
  stripesim::Scheduler schedule;
  stripesim::HttpServer server(options.listen, options.http_threads,
                               [&](const stripesim::HttpRequest& request, const stripesim::Responder& respond) {
                                 simulator.Handle(request, respond, schedule);
                               });
  schedule = server.scheduler();
  if (options.page_base_url.empty()) simulator.SetPageBaseUrl("http://" + server.address());
  auto sender = std::make_unique<stripesim::WebhookSender>(
      config, [&](const stripesim::Delivery& delivery) { return simulator.PrepareWebhook(delivery); },
      [&](const stripesim::WebhookJob& job, long status, bool final) { simulator.NoteWebhook(job, status, final); });
  simulator.SetSender(sender.get());
  server.Every(kTickMs, [&] { simulator.Tick(); });
  server.Start();
  WritePort(options.port_file, server.port());
  std::printf("stripesim listening on http://%s\n", server.address().c_str());
  std::fflush(stdout);

  int signal = 0;
  sigwait(&signals, &signal);
  server.Stop();
  simulator.DropHeld();
  simulator.SetSender(nullptr);
  sender.reset();
}

}  // namespace

int main(int argc, char** argv) {
  stripesim::Options options;
  std::string error;
  if (!stripesim::ParseFlags(argc, argv, &options, &error)) {
    if (error.empty()) return 0;
    std::fprintf(stderr, "stripesim: %s\n", error.c_str());
    return 2;
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  try {
    Serve(options);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "stripesim: %s\n", failure.what());
    return 1;
  }
  curl_global_cleanup();
  return 0;
}
