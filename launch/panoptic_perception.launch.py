# SPDX-License-Identifier: Apache-2.0
"""Start the perception node and, if asked to, RViz beside it."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

PACKAGE = 'panoptic_perception'
SWITCH = ['true', 'false']
# Parameters that have a launch argument of their own, with their types.
OVERRIDES = {
    'autostart': bool,
    'device': str,
    'engine': str,
    'image_transport': str,
    'model': str,
    'precision': str,
    'provider_policy': str,
    'use_sim_time': bool,
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; the node brings itself up (parameter `autostart`)."""
    config = PathJoinSubstitution([FindPackageShare(PACKAGE), 'config'])
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'namespace', default_value='', description='Namespace of the node and of RViz.'
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=PathJoinSubstitution([config, 'panoptic_perception.yaml']),
                description='File with the parameters of the node.',
            ),
            DeclareLaunchArgument(
                'model',
                default_value='',
                description='Model file (.onnx), or the name of a shipped one. '
                'Empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'engine',
                default_value='',
                choices=['', 'auto', 'onnxruntime', 'openvino'],
                description='Library that runs the model. Empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'device',
                default_value='',
                choices=['', 'auto', 'cpu', 'cuda', 'tensorrt'],
                description='Device that runs the model. Empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'precision',
                default_value='',
                choices=['', 'auto', 'fp32', 'bf16', 'fp16', 'int8', 'int8-bf16'],
                description='Arithmetic of the network. Empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'provider_policy',
                default_value='',
                choices=['', 'strict', 'fallback'],
                description='Refuse what cannot be had, or run what can. '
                'Empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'image',
                default_value='image',
                description='Topic of the camera image, without /compressed.',
            ),
            DeclareLaunchArgument(
                'image_transport',
                default_value='',
                choices=['', 'raw', 'compressed'],
                description='How the camera image comes. Empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='',
                choices=['', *SWITCH],
                description='Take the time from /clock, as needed when a bag is played. '
                'Empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'autostart',
                default_value='',
                choices=['', *SWITCH],
                description='Configure and activate the node at once. Empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                choices=['debug', 'info', 'warn', 'error', 'fatal'],
                description='Least severity of the log messages.',
            ),
            DeclareLaunchArgument(
                'rviz',
                default_value='false',
                choices=SWITCH,
                description='Show camera (where it is published raw), overlay and masks in RViz.',
            ),
            OpaqueFunction(function=perception_node),
            OpaqueFunction(function=rviz, condition=IfCondition(LaunchConfiguration('rviz'))),
        ]
    )


def perception_node(context: LaunchContext) -> list[LifecycleNode]:
    """Return the node; arguments that were given win over the parameter file."""
    return [
        LifecycleNode(
            package=PACKAGE,
            executable=PACKAGE,
            name=PACKAGE,
            namespace=LaunchConfiguration('namespace'),
            output='screen',
            parameters=[LaunchConfiguration('params_file'), *overrides(context, *OVERRIDES)],
            remappings=[('image', LaunchConfiguration('image'))],
            ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        )
    ]


def rviz(context: LaunchContext) -> list[Node]:
    """Return RViz; the topics of its view are relative, so they follow the namespace."""
    view = PathJoinSubstitution([FindPackageShare(PACKAGE), 'config', 'panoptic_perception.rviz'])
    return [
        Node(
            package='rviz2',
            executable='rviz2',
            namespace=LaunchConfiguration('namespace'),
            arguments=['-d', view],
            parameters=overrides(context, 'use_sim_time'),
            remappings=[('image', LaunchConfiguration('image'))],
        )
    ]


def overrides(context: LaunchContext, *names: str) -> list[dict[str, ParameterValue]]:
    """Return a parameter for each of the arguments that was given."""
    return [
        {name: ParameterValue(LaunchConfiguration(name), value_type=OVERRIDES[name])}
        for name in names
        if LaunchConfiguration(name).perform(context)
    ]
