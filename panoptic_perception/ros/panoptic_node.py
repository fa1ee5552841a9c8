# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node: wires the camera to the perceiver and the perceiver to the topics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from time import monotonic, perf_counter
from typing import TypeAlias

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool, Trigger

from panoptic_perception.core.codec import ImageLimits
from panoptic_perception.engines import Engine, RecoveringEngine, find_model, load_engine
from panoptic_perception.ros import diagnostics, messages
from panoptic_perception.ros.outputs import Outputs
from panoptic_perception.ros.parameters import NodeParameters
from panoptic_perception.ros.qos import image_qos, silence_advice
from panoptic_perception.runtime.counters import Counters, CounterSnapshot, Outcome
from panoptic_perception.runtime.perceiver import Perceiver
from panoptic_perception.runtime.timings import RollingTimings
from panoptic_perception.runtime.watchdog import Change, InputWatchdog, ResultWatchdog
from panoptic_perception.runtime.worker import StaleFrameError, Worker

_THROTTLE_S = 5.0
_Transition: TypeAlias = Callable[['PanopticNode', LifecycleState], TransitionCallbackReturn]


def _reported(transition: _Transition) -> _Transition:
    """Say why a transition failed; rclpy would drop the exception and call `on_error`."""

    @wraps(transition)
    def attempt(node: PanopticNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception as error:
            node._trouble = f'cannot {transition.__name__.removeprefix("on_")}: {error}'
            node.get_logger().error(node._trouble)
            return TransitionCallbackReturn.ERROR

    return attempt


class PanopticNode(LifecycleNode):
    """
    Perceive the images of one camera.

    The executor's thread only stores the newest image; the worker's thread decodes it, runs
    the network and publishes.
    """

    def __init__(self) -> None:
        super().__init__('panoptic_perception')
        self._engine: RecoveringEngine | None = None
        self._worker: Worker[bytes] | None = None
        self._subscription: Subscription | None = None
        self._enabled = True
        self._is_finalized = False
        self._trouble = ''
        self._node_parameters = NodeParameters(
            self, is_unconfigured=lambda: self._state() == 'unconfigured', on_change=self._announce
        )
        self._counters = Counters()
        self._reported = CounterSnapshot()
        self._timings = RollingTimings()
        self._watchdog = InputWatchdog(monotonic())
        self._result_watchdog = ResultWatchdog(monotonic())
        self._outputs = Outputs(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_service(SetBool, '~/set_enabled', self._on_set_enabled)
        self.create_service(Trigger, '~/reset', self._on_reset)
        # Steady: a paused or looping bag must not silence the diagnostics.
        self.create_timer(1.0, self._on_second, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._jump = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
            ),
            post_callback=self._on_clock_jump,
        )

    def autostart(self) -> None:
        """Configure and activate, if the parameter says so and the model allows it."""
        if not self._node_parameters.settings.autostart:
            return
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() is not TransitionCallbackReturn.SUCCESS:
                self.get_logger().warning(
                    'not started: mend what the error names, then configure and activate the node'
                )
                return

    def close(self) -> None:
        """Stop the work, whatever the state, and report the accounts."""
        self._release()
        self._publish_diagnostics()

    # Lifecycle

    @_reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, so that the first camera image finds a warm engine."""
        start = perf_counter()
        engine = RecoveringEngine(self._way_to_load(), on_loss=self._on_loss)
        perceiver = Perceiver(engine)
        self._engine = engine
        self._worker = Worker(
            partial(self._work, perceiver), self._counters, on_problem=self._on_problem
        )
        self._worker.start()
        self._timings.clear()  # those of another engine, perhaps
        self._announce()
        self._trouble = ''
        self.get_logger().info(
            f'{engine.model.path} runs on {engine.info.engine} {engine.info.provider} '
            f'{engine.info.precision} with {engine.info.threads} threads, '
            f'ready after {perf_counter() - start:.1f} s'
        )
        if engine.info.note:
            self.get_logger().warning(engine.info.note)
        return super().on_configure(state)

    @_reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the camera."""
        settings = self._node_parameters.settings
        self._watchdog = InputWatchdog(monotonic())
        self._subscription = self.create_subscription(
            self._message_type(),
            self._image_topic(settings.image_transport),
            self._on_image,
            image_qos(settings),
            # As bytes: taking them cannot fail on a malformed message, and frames that are
            # dropped need no deserialising.
            raw=True,
        )
        return super().on_activate(state)

    @_reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, let the frame in work end unpublished, and report the accounts."""
        self._unsubscribe()
        if self._worker is not None:
            self._worker.discard()
        if not self._counters.wait_until_idle(timeout_s=2.0):
            self.get_logger().error('the engine has not answered for 2 s')
        result = super().on_deactivate(state)
        self._publish_diagnostics()
        return result

    @_reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        self._release()
        return super().on_cleanup(state)

    @_reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop for good, from any state."""
        self._is_finalized = True
        self.close()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured after an error in a transition."""
        self._release()
        return super().on_error(state)

    def _way_to_load(self) -> Callable[[], Engine]:
        """Return how to load what the parameters name now, whatever they become."""
        settings = self._node_parameters.settings
        return partial(
            load_engine,
            find_model(settings.model),
            engine=settings.engine,
            device=settings.device,
            precision=settings.precision,
            threads=settings.threads,
            provider_policy=settings.provider_policy,
        )

    def _on_loss(self, text: str) -> None:
        self.get_logger().error(text)
        self._timings.clear()  # those of another engine, perhaps

    def _announce(self) -> None:
        if self._engine is not None:
            self._outputs.announce(self._engine.model, self._node_parameters.settings)

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self._subscription = None

    def _release(self) -> None:
        self._unsubscribe()
        if self._engine is not None:
            self._engine.close()
        if self._worker is not None and not self._worker.stop():
            self.get_logger().error(
                'the engine has not answered for 2 s; its thread is left alone'
            )
        self._worker = None
        self._engine = None

    # Frames

    def _message_type(self) -> type[Image] | type[CompressedImage]:
        compressed = self._node_parameters.settings.image_transport == 'compressed'
        return CompressedImage if compressed else Image

    def _image_topic(self, transport: str) -> str:
        """Return the topic of a transport; the compressed one follows a remapped `image`."""
        topic = self.resolve_topic_name('image')
        return topic if transport == 'raw' else f'{topic}/compressed'

    def _on_image(self, data: bytes) -> None:
        self._watchdog.frame(monotonic())
        if self._enabled and self._worker is not None:
            self._worker.submit(data)

    def _work(self, perceiver: Perceiver, data: bytes) -> Callable[[], None]:
        start = perf_counter()
        settings = self._node_parameters.settings
        message = messages.read_message(data, self._message_type())
        self._check_age(message, settings.max_age_ms)
        image = messages.decode(message, ImageLimits(max_side=settings.max_image_side))
        perceiver.thresholds = settings.thresholds(perceiver.engine.model.thresholds)
        result = perceiver(image)
        publish_results = self._outputs.prepare(message.header, image, result, settings)

        def publish() -> None:
            publish_results()
            try:
                self._outputs.publish_overlay(message.header, image, result, settings)
            except Exception as error:  # the frame has not failed: its results are out
                self.get_logger().error(f'no overlay: {error}', throttle_duration_sec=_THROTTLE_S)
            total_ms = (perf_counter() - start) * 1e3
            self._timings.add(
                now_s=monotonic(),
                inference_ms=result.times.network_ms,
                overhead_ms=total_ms - result.times.network_ms,
            )

        return publish

    def _check_age(self, message: messages.CameraMessage, max_age_ms: int) -> None:
        stamp = message.header.stamp
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        age_ms = (self.get_clock().now().nanoseconds - stamp_ns) / 1e6
        if max_age_ms and stamp_ns and age_ms > max_age_ms:
            raise StaleFrameError(
                f'the image is {age_ms:.0f} ms old, more than max_age_ms: {max_age_ms}; if all '
                'are, compare the clock of the camera and use_sim_time'
            )

    def _on_problem(self, outcome: Outcome, error: Exception) -> None:
        text = f'frame {outcome.value}: {error}'
        if outcome is Outcome.FAILED:
            self.get_logger().error(text, throttle_duration_sec=_THROTTLE_S)
        else:
            self.get_logger().warning(text, throttle_duration_sec=_THROTTLE_S)

    def _drop_work(self) -> None:
        if self._worker is not None:
            self._worker.discard()

    def _on_clock_jump(self, jump: TimeJump) -> None:
        self.get_logger().warning('the clock jumped: frames from before are dropped')
        self._drop_work()

    # Services and diagnostics

    def _on_set_enabled(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        self._enabled = request.data
        if not self._enabled:
            self._drop_work()
        response.success, response.message = True, 'enabled' if request.data else 'disabled'
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._drop_work()
        self._counters.reset()
        self._reported = CounterSnapshot()
        self._timings.clear()
        response.success, response.message = True, 'waiting frames dropped, counters at zero'
        return response

    def _on_second(self) -> None:
        diagnosis = self._input_diagnosis()
        change = self._watchdog.report(diagnosis)
        if change is Change.SILENT:
            silence_s = self._watchdog.silence_s(monotonic())
            self.get_logger().warning(f'no image for {silence_s:.0f} s: {diagnosis}')
        elif change is Change.BACK:
            self.get_logger().info('images arrive again')
        self._publish_diagnostics()

    def _input_diagnosis(self) -> str:
        """Say why no image arrives and what to do, '' if images do or need not arrive."""
        settings = self._node_parameters.settings
        if self._subscription is None or not self._watchdog.is_silent(
            monotonic(), settings.input_timeout_s
        ):
            return ''
        topic = self._subscription.topic_name
        other = 'raw' if settings.image_transport == 'compressed' else 'compressed'
        return silence_advice(
            topic,
            message_type=f'sensor_msgs/msg/{self._message_type().__name__}',
            settings=settings,
            publishers=self.get_publishers_info_by_topic(topic),
            other_transport_has_publishers=self.count_publishers(self._image_topic(other)) > 0,
        )

    def _state(self) -> str:
        if self._is_finalized:
            return 'finalized'
        if self._worker is None:
            return 'unconfigured'
        if self._subscription is None:
            return 'inactive'
        return 'active' if self._enabled else 'disabled'

    def _publish_diagnostics(self) -> None:
        name = self.get_fully_qualified_name().lstrip('/')
        topic = self._subscription.topic_name if self._subscription else ''
        counters = self._counters.snapshot()
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [
            diagnostics.runtime_status(
                f'{name}: runtime',
                state=self._state(),
                trouble=self._trouble or (self._engine.outage if self._engine else ''),
                counters=counters,
                previous=self._reported,
                barren=self._result_watchdog.barren(counters, monotonic()),
                timings=self._timings.summary(monotonic()),
                engine=self._engine,
            ),
            diagnostics.input_status(
                f'{name}: input',
                topic=topic,
                publishers=self.count_publishers(topic) if topic else 0,
                silence_s=self._watchdog.silence_s(monotonic()),
                has_frame=self._watchdog.has_frame,
                diagnosis=self._input_diagnosis(),
                engine=self._engine,
            ),
        ]
        self._reported = counters
        self._diagnostics.publish(message)
